package io.bactrian;

import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import io.bactrian.bench.Latencies;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.time.Duration;

/**
 * Among 10,000 new customers there is one that Stripe refuses, and goes on refusing, because somebody edits it again and again without
 * mending it. The others must not wait for it, one row must say what is wrong, and mending the customer must be all that it takes.
 */
final class Poison implements Scenario {

    private static final int CUSTOMERS = 10_000;
    private static final int COMPARED = 2_000;
    private static final int A_SECOND = 50;
    private static final int POISONED = 1_000;
    private static final String EMAIL = "nobody at example.com";
    private static final Duration PATIENCE = Duration.ofMinutes(10);

    @Override
    public void run(TwoSides sides, Duration duration, long seed, Report report) throws Exception {
        sides.startApplication();
        sides.awaitReady();
        sides.awaitFirstContact();
        try (var connection = sides.connect()) {
            report.step("%,d customers, without a poisoned one".formatted(COMPARED));
            insert(connection, "warm-up", COMPARED / 4, -1);
            sides.awaitEqual();
            var without = arrivals(sides, insert(connection, "without", COMPARED, -1), COMPARED);
            sides.awaitEqual();

            report.step("%,d customers, one of them poisoned".formatted(CUSTOMERS));
            var with = arrivals(sides, insert(connection, "with", CUSTOMERS, POISONED), CUSTOMERS - 1);
            // Only the poisoned one is missing.
            await().atMost(PATIENCE).pollInterval(Duration.ofSeconds(1)).until(() -> sides.differences().size() == 1);
            var failures = sides.column("select to_json(f)::text from sync.failure f");
            assertEquals(1, failures.size(), failures::toString);
            var failure = TwoSides.json(failures.get(0));
            assertSaysWhatIsWrong(failure);

            report.step("mending it");
            sides.column("update customers set email = 'somebody@example.com' where email = '" + EMAIL + "' returning id");
            long begin = System.nanoTime();
            await().atMost(Duration.ofSeconds(30)).pollInterval(Duration.ofMillis(5)).until(() -> sides.count("sync.failure") == 0);
            double healed = (System.nanoTime() - begin) / 1e6;
            sides.awaitEqual();
            sides.assertQuiet();

            report.tell("customers, a second", "%,d, %d".formatted(CUSTOMERS, A_SECOND));
            report.tell("commit to Stripe without a poisoned one, median and 99 %", text(without));
            report.tell("commit to Stripe with a poisoned one, median and 99 %", text(with));
            report.tell("times that Stripe refused the poisoned one", failure.get("attempts").asLong());
            report.tell("rows in sync.failure", failures.size());
            report.tell("… which says", failure.get("reason").asText());
            report.tell("mending the row to no failure", "%.0f ms".formatted(healed));
        }
    }

    private static void assertSaysWhatIsWrong(JsonNode failure) {
        assertEquals("permanent", failure.get("class").asText());
        assertEquals("email_invalid", failure.get("code").asText());
        var reason = failure.get("reason").asText();
        assertTrue(reason.contains("email"), reason);
        assertFalse(reason.contains(EMAIL), "it shows personal data");
    }

    /** @param poisoned the number of the one that Stripe refuses, from which on somebody edits it each second; -1 for none */
    private static NamedChanges insert(Connection connection, String name, int customers, int poisoned) throws SQLException {
        try (var insert = connection.prepareStatement("insert into customers (name, email) values (?, ?)");
                var edit = connection.prepareStatement("update customers set phone = ? where email = '" + EMAIL + "'")) {
            return new NamedChanges(name, customers).make(customers, A_SECOND, (i, value) -> {
                insert.setString(1, value);
                insert.setString(2, i == poisoned ? EMAIL : "customer" + i + "@example.com");
                assertEquals(1, insert.executeUpdate());
                if (poisoned >= 0 && i > poisoned && i % A_SECOND == 0) {
                    edit(edit, i);
                }
            });
        }
    }

    private static void edit(PreparedStatement edit, int number) throws SQLException {
        edit.setString(1, "+" + number);
        assertEquals(1, edit.executeUpdate());
    }

    /** Waits until so many have arrived. */
    private static Latencies arrivals(TwoSides sides, NamedChanges changes, int arrivals) {
        return await().atMost(PATIENCE).pollInterval(Duration.ofMillis(200)).until(() -> changes.latencies(sides.stripe()), all -> all.count() == arrivals);
    }

    private static String text(Latencies latencies) {
        return "%.0f, %.0f ms".formatted(latencies.p50(), latencies.p99());
    }
}
