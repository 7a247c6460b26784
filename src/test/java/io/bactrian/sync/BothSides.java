package io.bactrian.sync;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.sql.SQLException;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;

/** The hub's customers, the remote's objects, and which is which. */
record BothSides(Map<String, ObjectNode> records, Map<String, String> linked, ModelRemote remote) {

    static BothSides of(Sql sql, ModelRemote remote) throws SQLException {
        var records = new HashMap<String, ObjectNode>();
        for (var row : sql.rows("select id, to_jsonb(c) as record from customers c")) {
            records.put(row.get("id").toString(), Hub.object(row.get("record")));
        }
        var linked = new HashMap<String, String>();
        for (var row : sql.rows("select record_id, external_id from sync.link where deleted_at is null and external_id is not null")) {
            linked.put((String) row.get("record_id"), (String) row.get("external_id"));
        }
        return new BothSides(records, linked, remote);
    }

    /** One object for each record, none for those that are gone, and all fields equal but for how the remote spells them. */
    void requireEqual() {
        require(records.keySet().equals(linked.keySet()), "rows " + records.keySet() + ", but links " + linked.keySet());
        require(remote.things.keySet().equals(Set.copyOf(linked.values())) && Set.copyOf(linked.values()).size() == linked.size(),
                "remote objects " + remote.things.keySet() + ", but links " + linked);
        for (var record : records.entrySet()) {
            var state = remote.things.get(linked.get(record.getKey())).state();
            for (var field : ModelRemote.FIELDS) {
                var value = record.getValue().get(field);
                require(ModelRemote.spell(field, value).equals(state.get(field)),
                        "record " + record.getKey() + ": " + field + " is " + value + " in the hub, and " + state.get(field) + " outside");
            }
        }
    }

    static void require(boolean condition, String otherwise) {
        if (!condition) {
            throw new AssertionError(otherwise);
        }
    }
}
