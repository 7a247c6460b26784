package io.bactrian.bench;

import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/**
 * What capture costs those who write: one-row inserts as fast as they go, into customers and into a table that is the same but not tracked,
 * in turn, while changes are moved to Kafka.
 */
final class Writers implements Benchmark {

    private static final int ROUNDS = 7;
    private static final Duration ROUND = Duration.ofMillis(1200);
    private static final int WARM_UP = 200_000;
    private static final int[] WRITERS = {1, 8, 16};
    private static final double TARGET = 0.65;

    @Override
    public List<Result> run() throws Exception {
        try (var servers = Servers.start(); var application = Application.start(servers, Application.ONLY_CAPTURE); var changes = new Changes(servers)) {
            servers.execute("create table bare (like customers including all)");
            servers.execute("insert into customers (name) select 'warm-up ' || n from generate_series(1, %d) n".formatted(WARM_UP));
            servers.awaitEmptyOutbox();
            var results = new ArrayList<Result>();
            for (int writers : WRITERS) {
                results.add(measure(servers, writers));
            }
            long rows = servers.number("select count(*) from customers");
            Servers.expect("changes in Kafka", rows, changes.total());
            return results;
        }
    }

    private static Result measure(Servers servers, int writers) throws Exception {
        var threads = Executors.newFixedThreadPool(writers);
        try {
            write(servers, threads, writers, "customers"); // a round to warm up
            var ratios = new double[ROUNDS];
            var tracked = new double[ROUNDS];
            for (int round = 0; round < ROUNDS; round++) {
                boolean bareFirst = round % 2 == 0;
                double first = write(servers, threads, writers, bareFirst ? "bare" : "customers");
                double second = write(servers, threads, writers, bareFirst ? "customers" : "bare");
                tracked[round] = bareFirst ? second : first;
                ratios[round] = bareFirst ? second / first : first / second;
            }
            double ratio = Result.median(ratios);
            double rate = Result.median(tracked);
            var what = writers + (writers == 1 ? " writer" : " writers") + " into a tracked table, and compared to a bare one";
            boolean aim = writers == WRITERS[WRITERS.length - 1];
            return new Result(what, Result.number(rate) + " tps", Result.percent(ratio), aim ? "≥ " + Result.percent(TARGET) : "",
                    !aim || ratio >= TARGET, Math.round(rate * ROUND.toMillis() / 1000), ROUNDS);
        } finally {
            threads.shutdown();
        }
    }

    /** One round. Returns transactions per second. */
    private static double write(Servers servers, ExecutorService threads, int writers, String table) throws Exception {
        var connections = new ArrayList<Connection>();
        try {
            for (int i = 0; i < writers; i++) {
                connections.add(servers.connect());
            }
            long rows = servers.number("select count(*) from " + table);
            long begin = System.nanoTime();
            long end = begin + ROUND.toNanos();
            var work = connections.stream().map(connection -> (Callable<Long>) () -> insert(connection, table, end)).toList();
            long written = 0;
            for (var done : threads.invokeAll(work)) {
                written += done.get();
            }
            double seconds = (System.nanoTime() - begin) / 1e9;
            servers.expect("rows in " + table, rows + written, "select count(*) from " + table);
            servers.awaitEmptyOutbox();
            return written / seconds;
        } finally {
            for (var connection : connections) {
                connection.close();
            }
        }
    }

    private static long insert(Connection connection, String table, long end) throws SQLException {
        long written = 0;
        try (var insert = connection.prepareStatement("insert into " + table + " (name, email, description) values (?, ?, ?)")) {
            while (System.nanoTime() < end) {
                insert.setString(1, "Customer " + written);
                insert.setString(2, "customer" + written + "@example.com");
                insert.setString(3, "made by the benchmark");
                insert.execute();
                written++;
            }
        }
        return written;
    }
}
