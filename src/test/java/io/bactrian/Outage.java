package io.bactrian;

import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.bactrian.bench.Latencies;
import io.bactrian.sandbox.stripe.ApiCall;
import io.bactrian.sandbox.stripe.Fault;
import io.bactrian.sandbox.stripe.StripeSimulator;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.TreeMap;
import java.util.stream.Collectors;

/**
 * Stripe answers 500 to everything while customers change. It must be left alone. Another system must follow within a second, 99 of 100 times
 * too, unless the machine was slower before. Once Stripe is there again, the records that changed must get there, each once, as fast as the
 * rate allows and no faster.
 */
final class Outage implements Scenario {

    private static final int CUSTOMERS = 1_000;
    private static final int CHANGES_A_SECOND = 50;
    private static final int CALLS_A_SECOND = 20;
    private static final Duration BEFORE = Duration.ofSeconds(30);
    private static final Duration PATIENCE = Duration.ofMinutes(10);

    @Override
    public void run(TwoSides sides, Duration duration, long seed, Report report) throws Exception {
        sides.with("STRIPE_RATE_LIMIT", Integer.toString(CALLS_A_SECOND)).with("STRIPE_POLL_INTERVAL", "10000");
        try (var second = new SecondAccount(sides); var connection = sides.connect()) {
            run(sides, second.account(), connection, duration, report);
        }
    }

    private static void run(TwoSides sides, StripeSimulator second, Connection connection, Duration duration, Report report) throws Exception {
        var stripe = sides.stripe();
        sides.startApplication();
        sides.awaitReady();
        sides.awaitFirstContact();
        report.step("making %,d customers".formatted(CUSTOMERS));
        sides.column("insert into customers (name) select 'customer ' || n from generate_series(1, " + CUSTOMERS + ") n returning id");
        await().atMost(PATIENCE).pollInterval(Duration.ofSeconds(1)).until(() -> sides.count("sync.link where external_id is not null"), linked -> linked == 2 * CUSTOMERS);
        sides.awaitEqual();
        var before = latencies(change(connection, "before", BEFORE), second);
        sides.awaitEqual();

        report.step("Stripe answers 500 to everything, for " + duration.toSeconds() + " seconds");
        stripe.clearApiCalls();
        stripe.faults().probability(Fault.SERVER_ERROR, 1);
        var begin = Instant.now();
        var changes = change(connection, "during", duration);
        assertEquals(List.of("stripe"), sides.column("select name from sync.system where open_since is not null"));
        var open = Instant.parse(sides.column("select to_char(open_since at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') from sync.system where name = 'stripe'").get(0));
        var end = Instant.now();
        var calls = stripe.apiCalls().stream().filter(call -> call.time().isAfter(open)).toList();
        double callsASecond = calls.size() / (Duration.between(open, end).toMillis() / 1000.0);
        assertTrue(callsASecond < 1, () -> callsASecond + " calls a second while the circuit was open");
        long failures = sides.count("sync.failure");
        assertTrue(failures < 100, () -> failures + " failures, although records are to wait instead");
        long waiting = sides.count("sync.link where parked_at is not null");
        var meanwhile = latencies(changes, second);
        assertTrue(meanwhile.p50() < 1000 && meanwhile.p99() < Math.max(1000, 2 * before.p99()), () -> "the second account follows in " + text(meanwhile) + ", before it did in " + text(before));

        report.step("Stripe is there again");
        var recovered = Instant.now();
        sides.awaitEqual();
        assertEquals(List.of(), sides.differences(SecondAccount.SYSTEM, second));
        assertEquals(List.of(), sides.column("select name from sync.system where open_since is not null"));
        var writes = stripe.apiCalls().stream().filter(ApiCall::wrote).toList();
        long changed = Math.min(CUSTOMERS, changes.count());
        assertTrue(writes.size() <= changed, () -> writes.size() + " writes for " + changed + " records that changed");
        // The first is the probe that ends it, and the next ones may have to wait for what asks for them.
        var first = writes.get(0).time();
        var last = writes.get(writes.size() - 1).time();
        double rate = writes.size() / (Duration.between(first, last).toMillis() / 1000.0);
        assertTrue(rate > 0.75 * CALLS_A_SECOND && rate < 1.05 * CALLS_A_SECOND, () -> rate + " writes a second, of " + CALLS_A_SECOND + " that are allowed");
        sides.assertQuiet();

        report.tell("Stripe answered 500, seconds", Duration.between(begin, recovered).toSeconds());
        report.tell("customers, changes meanwhile", "%,d, %,d".formatted(CUSTOMERS, changes.count()));
        report.tell("seconds until the circuit opened", Duration.between(begin, open).toMillis() / 1000.0);
        report.tell("calls to Stripe while it was open", calls.size());
        report.tell("… a second", "%.2f".formatted(callsASecond));
        report.tell("… of these, looks at its list of events", calls.stream().filter(call -> call.path().equals("/v1/events")).count());
        report.tell("records that waited, failures", "%,d, %,d".formatted(waiting, failures));
        report.tell("commit to the second account before, median and 99 %", text(before));
        report.tell("commit to the second account meanwhile, median and 99 %", text(meanwhile));
        report.tell("seconds from Stripe's recovery to its first write", Duration.between(recovered, first).toMillis() / 1000.0);
        report.tell("writes, for so many records that changed", "%,d, %,d".formatted(writes.size(), changed));
        report.tell("writes a second, of so many allowed", "%.1f, %d".formatted(rate, CALLS_A_SECOND));
        report.tell("most writes in a second", writes.stream().collect(Collectors.groupingBy(call -> call.time().getEpochSecond(), TreeMap::new, Collectors.counting()))
                .values().stream().max(Long::compare).orElseThrow());
    }

    /** Changes one customer after the other, round and round. */
    private static NamedChanges change(Connection connection, String name, Duration duration) throws SQLException {
        try (var ids = connection.createStatement(); var update = connection.prepareStatement("update customers set name = ? where id = ?")) {
            long first;
            try (var rows = ids.executeQuery("select min(id) from customers")) {
                rows.next();
                first = rows.getLong(1);
            }
            return new NamedChanges(name, CUSTOMERS).make(Math.toIntExact(duration.toSeconds() * CHANGES_A_SECOND), CHANGES_A_SECOND, (i, value) -> {
                update.setString(1, value);
                update.setLong(2, first + i % CUSTOMERS);
                assertEquals(1, update.executeUpdate());
            });
        }
    }

    /** Waits until all of them have reached the account. */
    private static Latencies latencies(NamedChanges changes, StripeSimulator account) {
        return await().atMost(PATIENCE).pollInterval(Duration.ofMillis(200)).until(() -> changes.latencies(account), all -> all.count() == changes.count());
    }

    private static String text(Latencies latencies) {
        return "%.0f, %.0f ms".formatted(latencies.p50(), latencies.p99());
    }
}
