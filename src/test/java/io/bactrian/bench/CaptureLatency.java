package io.bactrian.bench;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicLongArray;

/** How long after its commit a change is seen by a consumer of Kafka, at a steady 200 changes a second. */
final class CaptureLatency implements Benchmark {

    private static final int RATE = 200;
    private static final int WARM_UP = 2 * RATE;
    private static final int CHANGES = 5 * RATE;
    private static final double TARGET_P50 = 10;
    private static final double TARGET_P99 = 50;

    @Override
    public List<Result> run() throws Exception {
        try (var servers = Servers.start(); var application = Application.start(servers, Application.ONLY_CAPTURE)) {
            measure(servers, WARM_UP);
            var runs = new ArrayList<Latencies>();
            var yardstick = new Yardstick(servers, 1);
            for (int run = 0; run < Parameters.runs(); run++) {
                runs.add(measure(servers, CHANGES));
                yardstick.measure();
            }
            return List.of(Latencies.result("commit → Kafka, " + RATE + " changes/s", runs, yardstick, TARGET_P50, TARGET_P99));
        }
    }

    private static Latencies measure(Servers servers, int n) throws Exception {
        long firstId = 1 + servers.number("select coalesce(max(id), 0) from customers");
        var committed = new AtomicLongArray(n);
        try (var changes = new Changes(servers)) {
            var seen = CompletableFuture.supplyAsync(() -> see(changes, firstId, n));
            try (var connection = servers.connect();
                    var insert = connection.prepareStatement("insert into customers (id, name, email) values (?, ?, ?)")) {
                var pace = new Pace(RATE);
                for (int i = 0; i < n; i++) {
                    pace.await();
                    insert.setLong(1, firstId + i);
                    insert.setString(2, "Customer " + i);
                    insert.setString(3, "customer" + i + "@example.com");
                    insert.execute();
                    committed.set(i, System.nanoTime());
                }
            }
            var latencies = new Latencies();
            var times = seen.get();
            for (int i = 0; i < n; i++) {
                latencies.record(times[i] - committed.get(i));
            }
            return latencies;
        }
    }

    /** When each of the records was seen, by System.nanoTime. */
    private static long[] see(Changes changes, long firstId, int n) {
        var times = new long[n];
        long deadline = System.nanoTime() + 60_000_000_000L;
        for (int seen = 0; seen < n;) {
            var batch = changes.poll();
            long now = System.nanoTime();
            if (now > deadline) {
                throw new IllegalStateException("only " + seen + " of " + n + " changes are in Kafka after a minute");
            }
            for (var change : batch) {
                int i = (int) (Long.parseLong(change.key()) - firstId);
                if (times[i] == 0) {
                    times[i] = now;
                    seen++;
                }
            }
        }
        return times;
    }
}
