package io.bactrian.bench;

import io.bactrian.sandbox.stripe.ApiCall;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import org.postgresql.PGConnection;

/**
 * How long after its commit an SQL update is in Stripe, and how long after its commit there an edit in Stripe's dashboard is in Postgres:
 * 20 of them a second, one kind after the other.
 */
final class RowToStripe implements Benchmark {

    private static final int RATE = 20;
    private static final int WARM_UP = 5 * RATE;
    private static final int EDITS = 8 * RATE;
    private static final int CUSTOMERS = 500;
    private static final double TARGET_P50 = 20;
    private static final double TARGET_P99 = 100;

    /** So far: no two write the same. */
    private int edits;

    @Override
    public List<Result> run() throws Exception {
        try (var servers = Servers.start(); var application = Application.start(servers)) {
            servers.stripe.webhookUrl("http://127.0.0.1:" + application.port() + "/webhooks/stripe");
            servers.execute("insert into customers (name, email) select 'Customer ' || n, 'customer' || n || '@example.com' from generate_series(1, %d) n"
                    .formatted(CUSTOMERS));
            servers.await(CUSTOMERS, "select count(*) from sync.link where external_id is not null and lease_token is null");
            // Tells us when a dashboard edit is committed here.
            servers.execute("""
                    create function tell() returns trigger language plpgsql as $$ begin perform pg_notify('bench', new.description); return null; end $$;
                    create trigger tell after update of description on customers for each row execute function tell();""");
            var ids = externalIds(servers);

            Parameters.warmUp(() -> {
                toStripe(servers, WARM_UP);
                toRow(servers, ids, WARM_UP);
            });
            var yardstick = new Yardstick(servers, 1);
            var toStripe = new ArrayList<Latencies>();
            var toRow = new ArrayList<Latencies>();
            for (int run = 0; run < Parameters.runs(); run++) {
                toStripe.add(toStripe(servers, EDITS));
                toRow.add(toRow(servers, ids, EDITS));
                yardstick.measure();
            }
            servers.expect("failures", 0, "select count(*) from sync.failure");
            servers.expect("conflicts", 0, "select count(*) from sync.conflict");
            return List.of(
                    Latencies.result("row → Stripe, " + RATE + " updates/s", toStripe, yardstick, TARGET_P50, TARGET_P99),
                    Latencies.result("Stripe → row, " + RATE + " edits/s", toRow, yardstick));
        }
    }

    private Latencies toStripe(Servers servers, int n) throws Exception {
        int first = edits;
        edits += n;
        var committed = new Instant[n];
        servers.stripe.clearApiCalls();
        try (var connection = servers.connect(); var update = connection.prepareStatement("update customers set name = ? where id = ?")) {
            var pace = new Pace(RATE);
            for (int i = 0; i < n; i++) {
                pace.await();
                update.setString(1, "edit " + (first + i));
                update.setLong(2, 1 + (first + i) % CUSTOMERS);
                Servers.expect("updated rows", 1, update.executeUpdate());
                committed[i] = Instant.now();
            }
        }
        var calls = awaitWrites(servers, n);
        var latencies = new Latencies();
        for (int i = 0; i < n; i++) {
            latencies.record(Duration.between(committed[i], calls.get("edit " + (first + i))).toNanos());
        }
        return latencies;
    }

    /** When Stripe had each name. Each must have been written once, and nothing else. */
    private static Map<String, Instant> awaitWrites(Servers servers, int n) throws Exception {
        var pace = new Pace(RATE);
        for (long deadline = System.nanoTime() + 60_000_000_000L; writes(servers).size() < n; pace.await()) {
            if (System.nanoTime() > deadline) {
                throw new IllegalStateException("only " + writes(servers).size() + " of " + n + " updates have reached Stripe in a minute");
            }
        }
        servers.await(0, "select count(*) from sync.link where lease_token is not null");
        var times = new HashMap<String, Instant>();
        writes(servers).forEach(call -> times.put((String) call.params().get("name"), call.time()));
        Servers.expect("writes to Stripe", n, writes(servers).size());
        Servers.expect("different names in Stripe", n, times.size());
        return times;
    }

    private static List<ApiCall> writes(Servers servers) {
        return servers.stripe.apiCalls().stream().filter(ApiCall::wrote).toList();
    }

    private Latencies toRow(Servers servers, List<String> ids, int n) throws Exception {
        int first = edits;
        edits += n;
        try (var connection = servers.connect(); var listen = connection.createStatement()) {
            listen.execute("listen bench");
            var notified = connection.unwrap(PGConnection.class);
            var seen = CompletableFuture.supplyAsync(() -> see(notified, first, n));
            var edited = new long[n];
            var pace = new Pace(RATE);
            for (int i = 0; i < n; i++) {
                pace.await();
                servers.stripe.dashboard().updateCustomer(ids.get((first + i) % CUSTOMERS), Map.of("description", Integer.toString(first + i)));
                edited[i] = System.nanoTime();
            }
            var times = seen.get();
            var latencies = new Latencies();
            for (int i = 0; i < n; i++) {
                latencies.record(times[i] - edited[i]);
            }
            return latencies;
        }
    }

    /** When each edit was told, by System.nanoTime. */
    private static long[] see(PGConnection connection, int first, int n) {
        var times = new long[n];
        try {
            for (int seen = 0; seen < n;) {
                var notifications = connection.getNotifications(60_000);
                long now = System.nanoTime();
                if (notifications.length == 0) {
                    throw new IllegalStateException("only " + seen + " of " + n + " edits have reached Postgres in a minute");
                }
                for (var notification : notifications) {
                    int i = Integer.parseInt(notification.getParameter()) - first;
                    if (times[i] == 0) {
                        times[i] = now;
                        seen++;
                    }
                }
            }
            return times;
        } catch (SQLException e) {
            throw new IllegalStateException(e);
        }
    }

    private static List<String> externalIds(Servers servers) throws SQLException {
        try (var connection = servers.connect();
                var statement = connection.createStatement();
                var rows = statement.executeQuery("select external_id from sync.link order by record_id::bigint")) {
            var ids = new ArrayList<String>();
            while (rows.next()) {
                ids.add(rows.getString(1));
            }
            return ids;
        }
    }
}
