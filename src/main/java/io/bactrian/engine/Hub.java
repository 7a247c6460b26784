package io.bactrian.engine;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import java.util.function.BiConsumer;
import java.util.function.Consumer;

/**
 * The hub, as decisions about one record of one system see it, within a transaction: what it knows, and what it is told to do. It may do later what it is told, in one
 * statement for many records; what is asked afterwards is answered as if it had been done.
 */
public interface Hub {

    /** The id of this installation. */
    String installation();

    /** The table whose record it is about. */
    Table table();

    /** The link of an object, which nobody else changes until the end; null when it has none. */
    Link linkOf(String externalId);

    /** The link of a record, which nobody else changes until the end; null when it has none. */
    Link link(String recordId);

    /** Whether an object is gone for good. */
    boolean isGone(String externalId);

    /** A text as the id of a record, spelled as Postgres does; null when it cannot be one. */
    String recordId(String text);

    /** A record as it is; null when there is none. */
    ObjectNode read(String recordId);

    /** The same, and nobody else changes it until the end. */
    ObjectNode lock(String recordId);

    /** A state in the hub's own ids: objects that it names become records. See sync.internal. */
    ObjectNode internal(String recordId, ObjectNode state, JsonNode known);

    /** Whether a record's sync to the system does not succeed at present. */
    boolean hasFailureOut(String recordId);

    /**
     * Changes fields of a record, in the name of a system, or of nobody's.
     *
     * @param then gets the record as it is afterwards: triggers may change more
     */
    void write(String system, String recordId, ObjectNode values, Consumer<ObjectNode> then);

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

    /** Keeps a link as it is by then. */
    void save(Link link);

    /** The record has an object now, or a part may have moved: those that wait for that are asked for. */
    void release(Link link);

    /** The object of a record is gone: the row follows, or what the integration says. Changes and saves the link. See sync.take_deletion. */
    Link takeDeletion(Link link, String externalId, List<String> fields);

    /** A record that was deleted here is gone there, too. Changes and saves the link. */
    Link bury(Link link, String externalId, List<String> fields);

    /** An object of which the hub has no record is gone. */
    void noteGone(String externalId);

    /** An object points into another installation, or may. */
    void noteForeign(String externalId, String installation, String recordId);

    /** An object does not point into another installation, or not any more. */
    void forgetForeign(String externalId);

    /** A worker looks at a record. */
    void poke(String recordId);

    /** What came in fits. */
    void forgetFailureIn(String recordId);

    /** Both sides moved a field. */
    void conflict(Link link, Conflict conflict);

    /** Edits there that a write of ours replaced, and that the hub won for want of their time: of these fields, with these values. */
    List<Replaced> replaced(Link link, ObjectNode values);

    /** Such an edit was the later one after all. */
    void overturn(Replaced conflict);

    /**
     * A row of sync.conflict.
     *
     * @param base what the remote last told
     */
    record Conflict(String field, JsonNode base, JsonNode local, JsonNode remote, Side winner, String reason) {
    }

    /** A row of sync.conflict that is known to be one. */
    record Replaced(long id, String field, JsonNode local, JsonNode remote) {
    }
}
