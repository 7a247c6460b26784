package io.bactrian;

import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.bactrian.sandbox.stripe.ApiCall;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;

/**
 * An account that has customers meets a hub that has rows, and some are the same people: half of those by the pointer, half by their e-mail.
 * {@code -Dreconcile.customers=10000} for more of them; three tenths are shared.
 */
class ReconcileKillTest {

    private static final int CUSTOMERS = Integer.getInteger("reconcile.customers", 500);
    private static final int SHARED = CUSTOMERS * 3 / 10;
    private static final int DIFFERENT = 20;
    private static final Duration PATIENCE = Duration.ofSeconds(120 + CUSTOMERS / 10);

    @Test
    void diff_tells_exactly_and_heal_ends_equal_without_doubles_though_it_is_killed_twice() throws Exception {
        try (var sides = new TwoSides()) {
            sides.replace("routes/stripe-customers.camel.yaml", "address\"}\n- route:", "address\"}\n      - {name: match, value: email}\n- route:");
            sides.with("RECONCILE_FIRST_CONTACT", "off").with("STRIPE_INBOUND", "webhook").with("RECONCILE_BATCH", "20");
            sides.webhooks(false);
            fill(sides);
            sides.webhooks(true);
            sides.startApplication();
            sides.awaitReady();

            var started = System.nanoTime();
            var diff = run(sides, "diff");
            awaitEnd(sides, diff);
            var diffed = System.nanoTime();
            var expected = new TreeMap<>(Map.of("only_hub", CUSTOMERS - SHARED, "only_remote", CUSTOMERS - SHARED, "unlinked", SHARED, "differs", DIFFERENT));
            assertEquals(expected, found(sides, diff));
            assertEquals(List.of("0"), sides.column("select count(*) from sync.link"));
            assertEquals(0, sides.writes());

            var heal = run(sides, "heal");
            awaitProgress(sides, heal, "objects", CUSTOMERS / 4);
            sides.kill();
            sides.startApplication();
            awaitProgress(sides, heal, "changes", CUSTOMERS / 4);
            sides.kill();
            sides.startApplication();
            awaitEnd(sides, heal);
            sides.awaitQuiet();
            var healed = System.nanoTime();

            assertEquals(List.of(), sides.differences());
            assertEquals(2L * CUSTOMERS - SHARED, sides.count("customers"));
            assertEquals(2 * CUSTOMERS - SHARED, sides.stripe().dashboard().customers().size());
            assertEquals(CUSTOMERS - SHARED, sides.stripe().apiCalls().stream().filter(ApiCall::wrote).filter(call -> call.path().equals("/v1/customers")).count());
            assertEquals(List.of(), sides.column("select reason from sync.failure"));
            var second = run(sides, "diff");
            awaitEnd(sides, second);
            assertEquals(Map.of(), found(sides, second));
            if (Boolean.getBoolean("reconcile.times")) {
                System.out.printf("%d customers: diff %d s, heal killed twice %d s%n", CUSTOMERS, (diffed - started) / 1_000_000_000, (healed - diffed) / 1_000_000_000);
            }
        }
    }

    private static void fill(TwoSides sides) throws SQLException {
        try (var connection = sides.connect(); var statement = connection.createStatement()) {
            // Rows that were there before they were tracked: nobody is told of them.
            statement.execute("select sync.untrack('customers')");
            statement.execute("insert into customers (id, name, email, updated_at) select n, 'Customer ' || n, 'c' || n || '@example.com', now() from generate_series(1, "
                    + CUSTOMERS + ") n");
            statement.execute("select setval(pg_get_serial_sequence('customers', 'id'), " + CUSTOMERS + "), sync.track('customers')");
        }
        var installation = sides.column("select sync.hub()").get(0);
        for (int n = 1; n <= CUSTOMERS; n++) {
            var shared = n <= SHARED;
            var name = shared && n > DIFFERENT ? "Customer " + n : "Somebody " + n;
            var email = shared ? "c" + n + "@example.com" : "s" + n + "@example.com";
            sides.stripe().dashboard().createCustomer(shared && n % 2 == 0
                    ? Map.of("name", name, "email", email, "metadata", Map.of("hub_id", Integer.toString(n), "hub", installation))
                    : Map.of("name", name, "email", email));
        }
    }

    private static long run(TwoSides sides, String mode) throws SQLException {
        return Long.parseLong(sides.column("select sync.reconcile('stripe', 'customers', '" + mode + "')").get(0));
    }

    private static void awaitEnd(TwoSides sides, long run) {
        await().atMost(PATIENCE).pollInterval(Duration.ofMillis(100))
                .until(() -> sides.column("select state from sync.run where id = " + run).get(0), "done"::equals);
    }

    /** Waits until so much of a step is done, or the step is over. */
    private static void awaitProgress(TwoSides sides, long run, String step, int done) {
        await().atMost(PATIENCE).pollInterval(Duration.ofMillis(5)).failFast(() -> assertTrue(sides.application().isAlive(), sides.application()::errors))
                .until(() -> !sides.column("select 1 from sync.run where id = " + run + " and step = '" + step + "' and step_done >= " + done).isEmpty());
    }

    private static Map<String, Integer> found(TwoSides sides, long run) throws SQLException {
        var found = new TreeMap<String, Integer>();
        for (var kind : sides.column("select distinct kind from sync.difference where run_id = " + run)) {
            found.put(kind, Integer.parseInt(sides.column("select count(distinct coalesce(record_id, external_id)) from sync.difference where run_id = " + run
                    + " and kind = '" + kind + "'").get(0)));
        }
        return found;
    }
}
