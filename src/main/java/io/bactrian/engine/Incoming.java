package io.bactrian.engine;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.bactrian.state.Link;
import java.util.List;
import java.util.function.BiConsumer;

/** The hub, as decisions about an event of another system see it. */
public interface Incoming extends Hub {

    /** The link of an object, which nobody else changes until the end; null when it has none. */
    Link linkOf(String externalId);

    /** The link of a record, which nobody else changes until the end; null when it has none. */
    Link link(String recordId);

    /** A text as the id of a record, spelled as Postgres does; null when it cannot be one. */
    String recordId(String text);

    /**
     * Makes a record in the name of the system.
     *
     * @param imported whether it is new here only
     * @param then gets its id and the record
     */
    void insert(ObjectNode values, boolean imported, BiConsumer<String, ObjectNode> then);

    /** Links a new record to its object. */
    void linkNew(Link link, JsonNode remote);

    /** Makes sure that a record has a link, without an object. */
    void ensureLink(String recordId);

    /** An object of which the hub has no record is gone. */
    void noteGone(String externalId);

    /** An object points into another installation, or may. */
    void noteForeign(String externalId, String installation, String recordId);

    /** An object does not point into another installation, or not any more. */
    void forgetForeign(String externalId);

    /** Whether a record's sync to the system does not succeed at present. */
    boolean hasFailureOut(String recordId);

    /** Edits there that a write of ours replaced, and that the hub won for want of their time: of these fields, with these values. */
    List<Replaced> replaced(Link link, ObjectNode values);

    /** Such an edit was the later one after all. */
    void overturn(Replaced conflict);

    /** A row of sync.conflict that is known to be one. */
    record Replaced(long id, String field, JsonNode local, JsonNode remote) {
    }
}
