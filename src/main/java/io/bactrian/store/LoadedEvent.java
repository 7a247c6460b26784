package io.bactrian.store;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.bactrian.state.Link;
import io.bactrian.state.Table;
import io.bactrian.state.Unfit;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;

/** What is known of an event before it is judged: a row of {@code sync.load_events}, which says what each is. {@code about} is null when the table is not tracked. */
record LoadedEvent(boolean busy, boolean seen, boolean held, boolean gone, boolean refused, Link link, About about) {

    static LoadedEvent of(InboundEvent event, ResultSet row) throws SQLException {
        var link = HubTransaction.node(row.getString("link"));
        var about = HubTransaction.node(row.getString("about"));
        return new LoadedEvent(row.getBoolean("busy"), row.getBoolean("seen"), row.getBoolean("held"), row.getBoolean("gone"), row.getBoolean("refused"),
                link == null ? null : new Link(link), about == null ? null : new About(event.entity(), about));
    }

    /** Whether it can be judged without reading more than its record. */
    boolean isSimple() {
        return link != null && link.deletedAt == null && !busy && !seen && !held && about != null && !about.table.parts();
    }

    /** What {@code sync.about} tells of a table: this installation, and the columns that the last start said are synced. */
    record About(String installation, Table table, List<String> synced) {

        About(String entity, JsonNode told) {
            this(told.get("hub").asText(), table(entity, told), texts(told.path("synced")));
        }

        private static Table table(String entity, JsonNode told) {
            var references = new HashMap<String, List<String>>();
            told.path("references").fields().forEachRemaining(of -> references.put(of.getKey(), texts(of.getValue())));
            return new Table(entity, told.path("tells_change").asBoolean(), told.path("related").asBoolean(), told.path("parts").asBoolean(), references);
        }

        private static List<String> texts(JsonNode array) {
            var texts = new ArrayList<String>();
            array.forEach(one -> texts.add(one.asText()));
            return texts;
        }

        /** Makes sure that a record has all columns that are synced: one that was renamed is not null. */
        void check(ObjectNode record) {
            if (record != null) {
                synced.stream().filter(field -> !record.has(field) && !field.endsWith("/*")).findFirst().ifPresent(field -> {
                    throw new Unfit("BA002", table.name() + " has no column " + field);
                });
            }
        }
    }
}
