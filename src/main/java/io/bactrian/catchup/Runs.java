package io.bactrian.catchup;

import static io.bactrian.catchup.Statements.with;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.bactrian.sync.Failures.Refusal;
import io.bactrian.sync.Integration;
import java.math.BigDecimal;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import javax.sql.DataSource;
import org.apache.camel.CamelContext;
import org.springframework.jdbc.core.namedparam.MapSqlParameterSource;

/** The runs in Postgres. Each page is one transaction and says where the next one begins, so whoever comes after a crash goes on there. */
final class Runs {

    private static final ObjectMapper JSON = new ObjectMapper();

    private final Statements statements;
    private final Map<String, String> terms;

    /**
     * Records that workers are to mend.
     *
     * @param records their ids, {@code json} the same as a JSON array
     * @param unlisted whether an object that was not listed is believed to be gone
     */
    record Work(List<String> records, String json, boolean unlisted) {
    }

    Runs(DataSource dataSource, CamelContext camel) {
        statements = new Statements(dataSource);
        terms = Stream.of("instance.id", "reconcile.schedule", "reconcile.scheduled-mode", "reconcile.first-contact", "reconcile.batch", "reconcile.max-delete-percent",
                "reconcile.max-deletes").collect(Collectors.toMap(name -> name, name -> camel.resolvePropertyPlaceholders("{{" + name + "}}")));
    }

    /** The run that is to go on, if this instance has it. */
    Optional<Run> take(Integration integration) {
        return statements.row("sql/run-take.sql", with("system", integration.system())
                .addValue("entity", integration.entity())
                .addValue("instance", terms.get("instance.id"))
                .addValue("schedule", terms.get("reconcile.schedule"))
                .addValue("scheduled_mode", terms.get("reconcile.scheduled-mode"))
                .addValue("first_contact", terms.get("reconcile.first-contact")))
                .map(row -> new Run((Long) row.get("id"), (String) row.get("step"), (String) row.get("position"), (BigDecimal) row.get("since")));
    }

    /** Keeps a page of listed objects. */
    void keep(Run run, Integration integration, Listing listing) {
        statements.row("sql/run-objects.sql", page(run, integration)
                .addValue("objects", String.join("\n", listing.objects()))
                .addValue("next", listing.next())
                .addValue("more", listing.next() != null)
                .addValue("at", listing.at())
                .addValue("since", run.since()));
    }

    private static MapSqlParameterSource page(Run run, Integration integration) {
        return with("run_id", run.id()).addValue("position", run.position()).addValue("match", integration.match());
    }

    /** What is to be mended next; nothing when the step is over, or waits for a person. */
    Optional<Work> work(Run run) {
        return statements.row("sql/run-work.sql", with("run_id", run.id())
                .addValue("step", run.step())
                .addValue("limit", terms.get("reconcile.batch"))
                .addValue("max_percent", terms.get("reconcile.max-delete-percent"))
                .addValue("max_deletes", terms.get("reconcile.max-deletes")))
                .filter(row -> row.get("records") != null)
                .map(row -> new Work(strings((String) row.get("records")), (String) row.get("records"), (Boolean) row.get("unlisted")));
    }

    /** Workers have done their part. */
    void end(Run run, Work work) {
        statements.row("sql/run-worked.sql", with("run_id", run.id()).addValue("step", run.step()).addValue("records", work.json()));
    }

    /** A page cannot be done now: it is tried again after a pause, or once a permission is there that is missing. */
    void putOff(Run run, Refusal refusal) {
        statements.row("sql/run-put-off.sql", with("run_id", run.id())
                .addValue("denied", refusal.isDenied())
                .addValue("permission", refusal.permission())
                .addValue("reason", refusal.reason()));
    }

    /** Rows of {@code sql/run-report.sql}. */
    List<Map<String, Object>> report() {
        return statements.rows("sql/run-report.sql", with("instance", terms.get("instance.id")));
    }

    private static List<String> strings(String json) {
        try {
            return List.of(JSON.readValue(json, String[].class));
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("no array of ids", e);
        }
    }
}
