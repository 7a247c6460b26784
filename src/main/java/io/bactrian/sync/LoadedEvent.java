package io.bactrian.sync;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.bactrian.engine.Link;
import io.bactrian.engine.States;
import io.bactrian.engine.Table;
import io.bactrian.engine.Unfit;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;

/** What is known of an event before it is judged: a row of {@code sync.load_events}, which says what each is. {@code about} is null when the table is not tracked. */
record LoadedEvent(boolean busy, boolean seen, boolean held, boolean gone, boolean refused, Link link, JsonNode about, Table table) {

    static LoadedEvent of(InboundEvent event, ResultSet row) throws SQLException {
        try {
            var link = row.getString("link");
            var about = row.getString("about") == null ? null : States.JSON.readTree(row.getString("about"));
            return new LoadedEvent(row.getBoolean("busy"), row.getBoolean("seen"), row.getBoolean("held"), row.getBoolean("gone"), row.getBoolean("refused"),
                    link == null ? null : new Link(States.parse(link)), about, about == null ? null : table(event.entity(), about));
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("Postgres answered no JSON", e);
        }
    }

    private static Table table(String name, JsonNode about) {
        var references = new HashMap<String, List<String>>();
        about.path("references").fields().forEachRemaining(entity -> references.put(entity.getKey(), texts(entity.getValue())));
        return new Table(name, about.path("tells_change").asBoolean(), about.path("related").asBoolean(), about.path("parts").asBoolean(), references);
    }

    private static List<String> texts(JsonNode array) {
        var texts = new ArrayList<String>();
        array.forEach(one -> texts.add(one.asText()));
        return texts;
    }

    String installation() {
        return about.get("hub").asText();
    }

    /** Whether it can be judged without reading more than its record. */
    boolean isSimple() {
        return link != null && link.deletedAt == null && !busy && !seen && !held && about != null && !table.parts();
    }

    /** Makes sure that a record has all columns that are synced: one that was renamed is not null. */
    void check(ObjectNode record) {
        if (record == null) {
            return;
        }
        texts(about.path("synced")).stream().filter(field -> !record.has(field) && !field.endsWith("/*")).findFirst().ifPresent(field -> {
            throw new Unfit("BA002", table.name() + " has no column " + field);
        });
    }
}
