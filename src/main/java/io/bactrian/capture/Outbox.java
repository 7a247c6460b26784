package io.bactrian.capture;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import javax.sql.DataSource;
import org.apache.camel.CamelContext;
import org.springframework.jdbc.core.namedparam.MapSqlParameterSource;
import org.springframework.jdbc.core.namedparam.NamedParameterJdbcTemplate;

/** Takes changes from {@code sync.outbox}, and removes those that Kafka has: what is said of {@code sync.outbox_claim} in SQL holds. */
final class Outbox {

    private final NamedParameterJdbcTemplate postgres;
    private final Map<String, String> terms;
    private final String claim = read("sql/outbox-claim.sql");
    private final String acknowledge = read("sql/outbox-acknowledge.sql");

    /**
     * Some of the oldest changes.
     *
     * @param found whether there was anything to do: without changes, to look once more after a pause
     */
    record Claim(List<Change> changes, boolean found) {
    }

    Outbox(DataSource dataSource, CamelContext camel) {
        postgres = new NamedParameterJdbcTemplate(dataSource);
        terms = Map.of("instance", camel.resolvePropertyPlaceholders("{{instance.id}}"), "lease", camel.resolvePropertyPlaceholders("{{capture.lease}}"),
                "max_rows", camel.resolvePropertyPlaceholders("{{capture.batch-rows}}"), "max_bytes", camel.resolvePropertyPlaceholders("{{capture.batch-bytes}}"));
    }

    private static String read(String file) {
        try {
            return Files.readString(Path.of(file));
        } catch (IOException e) {
            throw new UncheckedIOException(file + " cannot be read", e);
        }
    }

    /**
     * Takes the oldest changes, which stay there until they are acknowledged.
     *
     * @param round how many claims there were since this one was woken
     * @param waiting the tables whose changes are left alone
     */
    Claim claim(int round, Collection<String> waiting) {
        var parameters = new MapSqlParameterSource(terms).addValue("round", round)
                .addValue("waiting", array(waiting.stream().map(entity -> '"' + entity + '"')));
        var rows = postgres.query(claim, parameters, (row, number) -> change(row));
        return new Claim(rows.stream().filter(Objects::nonNull).toList(), !rows.isEmpty());
    }

    private static Change change(ResultSet row) throws SQLException {
        long id = row.getLong("id");
        return row.wasNull() ? null : new Change(id, row.getString("entity"), row.getString("record_id"), row.getString("op"), row.getString("origin"),
                row.getString("target"), row.getLong("changed_ms"), row.getString("envelope"));
    }

    /** Removes changes by their ids. */
    void acknowledge(List<Long> ids) {
        if (!ids.isEmpty()) {
            postgres.queryForList(acknowledge, Map.of("acknowledged", array(ids.stream().map(Object::toString))));
        }
    }

    private static String array(Stream<String> elements) {
        return elements.collect(Collectors.joining(",", "{", "}"));
    }
}
