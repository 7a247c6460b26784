package io.bactrian;

import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.bactrian.sandbox.stripe.Access;
import io.bactrian.sandbox.stripe.ApiCall;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Random;

/**
 * People edit 200 customers on both sides, at random, and nobody deletes one or empties a field. Meanwhile the application can no longer see
 * what it syncs: rows are hidden, a column is renamed, a right is taken away. In the midst of it the application is killed, once. Stripe must never
 * see a delete, nor lose a value; health must say what is wrong. Then it is mended, and both sides must become equal, with nothing lost.
 */
final class Unseen implements Scenario {

    private static final int CUSTOMERS = 200;
    private static final int EDITORS = 2;
    private static final Duration PAUSE = Duration.ofMillis(400);
    private static final Duration PATIENCE = Duration.ofMinutes(2);

    private static final List<String> READ = List.of("customers", "products", "prices", "invoices", "invoiceitems", "events");

    /** What is taken away, and given back. */
    private interface Step {

        void run(TwoSides sides, Editors editors) throws Exception;
    }

    private final Step begin;
    private final Step end;
    private final String word;
    private final boolean billing;

    /**
     * @param word stands in what health says of it
     * @param billing whether others write invoices meanwhile
     */
    private Unseen(Step begin, Step end, String word, boolean billing) {
        this.begin = begin;
        this.end = end;
        this.word = word;
        this.billing = billing;
    }

    /** Row-level security is forced on customers, and its policy shows the application nothing. */
    static Unseen hiddenRows() {
        return new Unseen((sides, editors) -> sql(sides, "alter table customers enable row level security", "alter table customers force row level security",
                        "create policy tenant on customers using (current_setting('people.tenant', true) = 'x') with check (true)"),
                (sides, editors) -> sql(sides, "drop policy tenant on customers", "alter table customers no force row level security",
                        "alter table customers disable row level security"),
                "row-level security", true);
    }

    /** The column phone gets another name, and later its own again. */
    static Unseen renamedColumn() {
        return new Unseen((sides, editors) -> {
            editors.columns(TwoSides.FIELDS.stream().filter(field -> !field.equals("phone")).toList());
            sql(sides, "alter table customers rename column phone to phone_number");
        }, (sides, editors) -> {
            sql(sides, "alter table customers rename column phone_number to phone");
            editors.columns(TwoSides.FIELDS);
        }, "phone", true);
    }

    /** The application may no longer read customers. */
    static Unseen revokedSelect() {
        return new Unseen((sides, editors) -> sql(sides, "revoke select on customers from bactrian"),
                (sides, editors) -> sql(sides, "grant select on customers to bactrian"), "customers", false); // nobody can insert an invoice then: its foreign key is checked as the owner
    }

    /** All customers are gone at once, and that was a mistake. */
    static Unseen truncatedTable() {
        return new Unseen((sides, editors) -> sql(sides, "truncate customers cascade"), (sides, editors) -> {
            sides.allowStalePointers();
            sides.column("select sync.cancel_deletes('stripe', e.name) from sync.entity e where e.part_of is null");
            var runs = sides.column("select sync.reconcile('stripe', 'customers', 'heal')");
            await().atMost(PATIENCE).until(() -> sides.count("sync.run where state = 'done' and id = " + runs.get(0)) == 1);
        }, "delete", false);
    }

    /** Stripe answers 403 to everything, as it does when a key has lost its permissions. */
    static Unseen forbiddenReads() {
        return new Unseen((sides, editors) -> READ.forEach(resource -> sides.stripe().access().limit(resource, Access.Level.NONE)), (sides, editors) -> {
            sides.stripe().access().clear();
            sides.column("select sync.resume('stripe')");
        }, "permission", true);
    }

    private static void sql(TwoSides sides, String... statements) throws SQLException {
        try (var connection = sides.connect(); var statement = connection.createStatement()) {
            connection.setAutoCommit(false);
            for (var one : statements) {
                statement.execute(one);
            }
            connection.commit();
        }
    }

    @Override
    public void run(TwoSides sides, Duration duration, long seed, Report report) throws Exception {
        sides.connectAsSuperuser();
        sides.with("SYNC_MAX_DELETES", "10").with("WATCH_INTERVAL", "1000");
        try (var editors = new Editors(sides, seed, CUSTOMERS, EDITORS, PAUSE).careful();
                var others = new BillingEditors(sides, seed, billing ? 1 : 0, PAUSE)) {
            run(sides, editors, others, duration, new Random(seed), report);
        }
    }

    private void run(TwoSides sides, Editors editors, BillingEditors others, Duration duration, Random random, Report report) throws Exception {
        editors.populate(random);
        others.populate();
        sides.startApplication();
        sides.awaitReady();
        sql(sides, "update sync.integration set max_deletes = 1000000 where entity <> 'customers'"); // the others delete invoices, and mean it
        sides.awaitFirstContact();
        sides.awaitEqual();
        long before = editors.updates();

        report.step("taking it away, for " + duration.toSeconds() + " seconds");
        begin.run(sides, editors);
        editors.edit(Integer.MAX_VALUE);
        others.edit(Integer.MAX_VALUE, Integer.MAX_VALUE);
        await().atMost(PATIENCE).until(() -> sides.health().contains(word));
        var half = duration.dividedBy(2);
        watch(sides, half);
        sides.kill();
        sides.startApplication();
        sides.awaitReady();
        sql(sides, "update sync.integration set max_deletes = 1000000 where entity <> 'customers'"); // the others delete invoices, and mean it
        watch(sides, half);
        assertTrue(sides.health().contains(word), sides.health());
        long waiting = sides.count("sync.link where parked_at is not null");
        long failures = sides.count("sync.failure");
        long held = sides.count("sync.event where held is not null");

        report.step("giving it back: waiting until all is quiet, then comparing both sides");
        editors.pause();
        others.stopEditing();
        end.run(sides, editors);
        editors.edit(20);
        if (billing) {
            sides.assertEqualAndQuiet(editors);
        } else {
            sides.awaitEqual();
            sides.assertQuiet();
        }
        assertNothingLost(sides);
        report.tell("edits of customers meanwhile, on both sides", editors.updates() - before);
        report.tell("records that waited, failures, events that were kept", "%,d, %,d, %,d".formatted(waiting, failures, held));
        report.tell("customers deleted, values emptied in Stripe", "0, 0");
    }

    private static void watch(TwoSides sides, Duration time) throws Exception {
        for (long begin = System.nanoTime(); System.nanoTime() - begin < time.toNanos();) {
            if (sides.application().endsWithin(Duration.ofSeconds(5))) {
                throw new AssertionError("it ended: " + sides.application().errors());
            }
            assertNothingLost(sides);
        }
    }

    /** Nobody deleted a customer, and nobody emptied a field: so Stripe must not be told that. */
    private static void assertNothingLost(TwoSides sides) {
        assertEquals(List.of(), sides.stripe().apiCalls().stream().filter(call -> call.path().startsWith("/v1/customers/") && (call.method().equals("DELETE") || empties(call)))
                .map(ApiCall::toString).toList());
    }

    /** An address has parts that are empty. */
    private static boolean empties(ApiCall call) {
        return TwoSides.FIELDS.stream().anyMatch(field -> "".equals(call.params().get(field)))
                || call.params().get("address") instanceof Map<?, ?> address && "".equals(address.get("city"));
    }
}
