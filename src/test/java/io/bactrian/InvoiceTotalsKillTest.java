package io.bactrian;

import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.sql.SQLException;
import java.time.Duration;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** 5,000 edits of the items of 50 invoices by four people at once, while the application is killed four times and Postgres crashes once. */
class InvoiceTotalsKillTest {

    private static final int INVOICES = 50;
    private static final int PEOPLE = 4;
    private static final int KILLS = 4;
    private static final int EDITS = 5000 / PEOPLE / KILLS;
    private static final Duration PATIENCE = Duration.ofMinutes(2);

    private static final String WRONG = "invoices i where total <> (select coalesce(sum(amount), 0) from invoice_items t where t.invoice_id = i.id)";

    @Test
    void every_total_equals_the_sum_of_its_items() throws Exception {
        try (var sides = new TwoSides()) {
            sides.keepRoutes("errors", "capture", "invoice-totals", "templates/subscriber");
            try (var connection = sides.connect(); var statement = connection.createStatement()) {
                statement.execute("insert into invoices (currency) select 'EUR' from generate_series(1, " + INVOICES + ")");
            }
            for (int round = 0; round < KILLS; round++) {
                sides.startApplication();
                sides.awaitReady();
                var before = totals(sides);
                var seed = round;
                var people = IntStream.range(0, PEOPLE).mapToObj(person -> CompletableFuture.runAsync(() -> edit(sides, new Random(10 * seed + person))))
                        .toArray(CompletableFuture<?>[]::new);
                await().atMost(PATIENCE).pollInterval(Duration.ofMillis(5)).until(() -> !totals(sides).equals(before));
                sides.kill();
                CompletableFuture.allOf(people).join();
            }
            sides.startApplication();
            sides.awaitReady();
            sides.postgres().stop();
            sides.postgres().start();
            await().atMost(PATIENCE).ignoreExceptionsInstanceOf(SQLException.class).until(() -> sides.count("sync.outbox") == 0 && sides.count(WRONG) == 0);
            await().during(Duration.ofSeconds(1)).atMost(PATIENCE).until(() -> sides.count("sync.outbox") == 0);
            assertEquals(0, sides.count(WRONG));
        }
    }

    private static String totals(TwoSides sides) throws SQLException {
        return sides.column("select string_agg(total::text, ',' order by id) from invoices").get(0);
    }

    private static void edit(TwoSides sides, Random random) {
        try (var connection = sides.connect(); var statement = connection.createStatement()) {
            for (int i = 0; i < EDITS; i++) {
                int invoice = 1 + random.nextInt(INVOICES);
                var some = "(select id from invoice_items order by md5(id::text || '" + random.nextInt() + "') limit 1)";
                statement.execute(switch (random.nextInt(10)) {
                    case 0, 1, 2 -> "insert into invoice_items (invoice_id, quantity, unit_amount) values (" + invoice + ", " + random.nextInt(100) + ", "
                            + (random.nextInt(2_000_000) - 500_000) + ")";
                    case 3, 4 -> "update invoice_items set quantity = " + random.nextInt(100) + " where id = " + some;
                    case 5 -> "update invoice_items set unit_amount = " + random.nextInt(100_000) + " where invoice_id = " + invoice;
                    case 6, 7 -> "update invoice_items set invoice_id = " + invoice + " where id = " + some;
                    case 8 -> "delete from invoice_items where id = " + some;
                    default -> "update invoices set total = " + random.nextInt(1000) + " where id = " + invoice;
                });
            }
        } catch (SQLException e) {
            throw new IllegalStateException(e);
        }
    }
}
