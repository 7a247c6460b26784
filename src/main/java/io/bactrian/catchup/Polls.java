package io.bactrian.catchup;

import static io.bactrian.catchup.Statements.with;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import io.bactrian.sync.Failures.Refusal;
import java.util.Optional;
import java.util.stream.Collectors;
import java.util.stream.StreamSupport;
import javax.sql.DataSource;
import org.apache.camel.CamelContext;

/** How far each system's list of events has been read, in Postgres: see {@code sql/migration/R__poll.sql}. */
final class Polls {

    private static final ObjectMapper JSON = new ObjectMapper();

    private final Statements statements;
    private final String instance;

    /**
     * A look at a system's events.
     *
     * @param since from when on to read; {@code keptUntil}: from then on the system may have forgotten some that nobody has seen. Both in seconds by its clock
     */
    record Look(String system, long since, long keptUntil) {
    }

    Polls(DataSource dataSource, CamelContext camel) {
        statements = new Statements(dataSource);
        instance = camel.resolvePropertyPlaceholders("{{instance.id}}");
    }

    /** The next look, if no other instance has it, and the system may be asked. */
    Optional<Look> begin(String system, String overlap, String kept) {
        return statements.row("sql/poll-begin.sql", with("system", system).addValue("instance", instance).addValue("overlap", overlap).addValue("kept", kept))
                .map(row -> new Look(system, (Long) row.get("since"), (Long) row.get("kept_until")));
    }

    /**
     * Keeps how far the look has come.
     *
     * @param reached up to when all events are applied, in seconds; null when nothing new is known
     * @throws IllegalStateException when another instance has taken over
     */
    void advance(Look look, Long reached) {
        var ours = statements.row("sql/poll-advance.sql", with("system", look.system()).addValue("instance", instance).addValue("reached", reached)).orElseThrow();
        if (!ours.containsValue(true)) {
            throw new IllegalStateException("another instance reads the events now");
        }
    }

    /** Those events of a page that are not in the ledger, in the same order. */
    ArrayNode unknown(Look look, JsonNode events) {
        var ids = JSON.createArrayNode();
        events.forEach(event -> ids.add(event.path("id")));
        var unknown = statements.rows("sql/event-unknown.sql", with("system", look.system()).addValue("ids", ids.toString())).stream()
                .map(row -> row.get("id")).collect(Collectors.toSet());
        return JSON.createArrayNode().addAll(StreamSupport.stream(events.spliterator(), false).filter(event -> unknown.contains(event.path("id").asText())).toList());
    }

    /** The events may not be listed: the next looks are further apart. */
    void deny(String system, Refusal refusal) {
        statements.row("sql/poll-deny.sql", with("system", system).addValue("permission", refusal.permission()).addValue("reason", refusal.reason()));
    }

    /** Asks for a reconcile of all that a system syncs. */
    void reconcile(String system) {
        statements.row("sql/reconcile-system.sql", with("system", system));
    }
}
