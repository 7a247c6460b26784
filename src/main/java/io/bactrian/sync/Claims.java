package io.bactrian.sync;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import javax.sql.DataSource;
import org.apache.camel.CamelContext;
import org.apache.camel.Exchange;
import org.springframework.jdbc.core.namedparam.MapSqlParameterSource;
import org.springframework.jdbc.core.namedparam.NamedParameterJdbcTemplate;

/** Takes records for a write, and ends it: each is one round trip, and what is said in SQL ({@code sync.claim}, {@code sync.settle}, {@code sync.fail}) holds. */
final class Claims {

    private final NamedParameterJdbcTemplate postgres;
    private final Map<String, Object> terms;
    private final String claim = read("sql/record-claim.sql");
    private final String settle = read("sql/record-settle.sql");
    private final String fail = read("sql/record-fail.sql");

    Claims(DataSource dataSource, CamelContext camel) {
        postgres = new NamedParameterJdbcTemplate(dataSource);
        terms = Stream.of("sync.lease", "instance.id", "reconcile.first-contact")
                .collect(Collectors.toMap(name -> name, name -> camel.resolvePropertyPlaceholders("{{" + name + "}}")));
    }

    private static String read(String file) {
        try {
            return Files.readString(Path.of(file));
        } catch (IOException e) {
            throw new UncheckedIOException(file + " cannot be read", e);
        }
    }

    /** A row of {@code sql/record-claim.sql}. */
    Map<String, Object> claim(Work work) {
        return postgres.queryForMap(claim, parameters(work).addValue("lease", terms.get("sync.lease")).addValue("instance", terms.get("instance.id"))
                .addValue("first_contact", terms.get("reconcile.first-contact")));
    }

    /** The write succeeded, with what the exchange's variables say of the answer. */
    void settle(Work work, Object token, Exchange exchange) {
        postgres.queryForObject(settle, told(work, token, exchange, "external_id", "remote", "at", "stale", "request_id"), String.class);
    }

    /** The write failed, as the exchange's variables say. */
    void fail(Work work, Object token, Exchange exchange) {
        postgres.queryForObject(fail, told(work, token, exchange, "class", "key_spent", "unanswered", "down", "slow_down", "code", "reason", "request_id",
                "retry_after", "permission"), String.class);
    }

    private static MapSqlParameterSource told(Work work, Object token, Exchange exchange, String... variables) {
        var parameters = parameters(work).addValue("token", token);
        for (var name : variables) {
            var value = exchange.getVariable(name);
            parameters.addValue(name, value == null ? null : value.toString());
        }
        return parameters;
    }

    private static MapSqlParameterSource parameters(Work work) {
        return new MapSqlParameterSource()
                .addValue("system", work.integration().system())
                .addValue("entity", work.integration().entity())
                .addValue("record_id", work.recordId())
                .addValue("cause", work.cause())
                .addValue("fields", "{" + String.join(",", work.integration().fields()) + "}")
                .addValue("policy", work.integration().policy());
    }
}
