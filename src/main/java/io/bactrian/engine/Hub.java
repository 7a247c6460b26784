package io.bactrian.engine;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.bactrian.state.Link;
import io.bactrian.state.Side;
import io.bactrian.state.Table;
import java.util.List;
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

    /** Whether an object is gone for good. */
    boolean isGone(String externalId);

    /** A record as it is; null when there is none. */
    ObjectNode read(String recordId);

    /** The same, and nobody else changes it until the end. */
    ObjectNode lock(String recordId);

    /** A state in the hub's own ids: objects that it names become records. See sync.internal. */
    ObjectNode internal(String recordId, ObjectNode state, JsonNode known);

    /**
     * Changes fields of a record, in the name of a system, or of nobody's.
     *
     * @param then gets the record as it is afterwards: triggers may change more
     */
    void write(String system, String recordId, ObjectNode values, Consumer<ObjectNode> then);

    /** Keeps a link as it is by then. */
    void save(Link link);

    /** The record has an object now, or a part may have moved: those that wait for that are asked for. */
    void release(Link link);

    /** The object of a record is gone: the row follows, or what the integration says. Changes and saves the link. See sync.take_deletion. */
    Link takeDeletion(Link link, String externalId, List<String> fields);

    /** A record that was deleted here is gone there, too. Changes and saves the link. */
    Link bury(Link link, String externalId, List<String> fields);

    /** A worker looks at a record. */
    void poke(String recordId);

    /** What came in fits. */
    void forgetFailureIn(String recordId);

    /** Both sides moved a field. */
    void conflict(Link link, Conflict conflict);

    /**
     * A row of sync.conflict.
     *
     * @param base what the remote last told
     */
    record Conflict(String field, JsonNode base, JsonNode local, JsonNode remote, Side winner, String reason) {
    }
}
