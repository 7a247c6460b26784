package io.bactrian.sync;

import static io.bactrian.sync.BothSides.require;

import com.fasterxml.jackson.core.JsonProcessingException;
import java.sql.SQLException;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;

/** What must hold when everything has come to rest. */
record Reckoning(Circumstances circumstances, Sql sql, ModelRemote remote, List<People.Edit> edits, int hubChanges) {

    void check() throws SQLException {
        var both = BothSides.of(sql, remote);
        both.requireEqual();
        if (!circumstances.hubIsEdited() || !circumstances.remoteIsEdited()) {
            checkPeace(both);
        }
        if (!circumstances.faults()) {
            long conflicts = sql.number("select count(*) from sync.conflict");
            require(remote.writes <= hubChanges + conflicts, remote.writes + " writes for " + hubChanges + " changes and " + conflicts + " conflicts");
        }
        if (circumstances.distinctValues() && circumstances.eventsTellPrevious() && circumstances.eventsTellKey() && !circumstances.zombies()) {
            checkNothingIsLost(both);
        }
    }

    /** Where only one side was edited there is no conflict, nothing comes back, and the last edits stand. */
    private void checkPeace(BothSides both) throws SQLException {
        require(circumstances.hubIsEdited() || remote.writes == 0, "written, but nobody edited the hub");
        if (circumstances.zombies()) {
            return; // what a worker thought dead writes late is an edit like any other
        }
        if (circumstances.eventsTellKey()) {
            // After an unknown outcome, a value that the remote spells in its own way may look like somebody else's.
            var conflicts = sql.rows("select * from sync.conflict where field <> 'description' or not ?", circumstances.faults());
            require(conflicts.isEmpty(), "conflicts, but one side only was edited: " + conflicts);
        }
        var last = new HashMap<String, People.Edit>();
        edits.forEach(edit -> last.put(edit.id() + edit.field(), edit));
        for (var record : both.records().entrySet()) {
            for (var field : ModelRemote.FIELDS) {
                var edit = last.get((circumstances.hubIsEdited() ? record.getKey() : both.linked().get(record.getKey())) + field);
                var value = ModelRemote.spell(field, record.getValue().get(field));
                require(edit == null || edit.value().equals(value), "the last edit is " + edit + ", but the record says " + value);
            }
        }
    }

    /** Each value is still there, or somebody who saw it replaced or deleted it, or it lost a conflict that is on record. */
    private void checkNothingIsLost(BothSides both) throws SQLException {
        var accounted = new HashSet<String>();
        edits.forEach(edit -> accounted.add(edit.field() + edit.seen()));
        both.records().values().forEach(record -> ModelRemote.FIELDS.forEach(field -> accounted.add(field + ModelRemote.spell(field, record.get(field)))));
        for (var row : sql.rows("select field, case winner when 'hub' then remote else local end as loser from sync.conflict")) {
            if (row.get("loser") != null) {
                var field = (String) row.get("field");
                try {
                    accounted.add(field + ModelRemote.spell(field, Hub.JSON.readTree(row.get("loser").toString())));
                } catch (JsonProcessingException e) {
                    throw new AssertionError(e);
                }
            }
        }
        for (var edit : edits) {
            require(edit.value().isNull() || accounted.contains(edit.field() + edit.value()), "nobody replaced this edit, and it is lost: " + edit);
        }
    }
}
