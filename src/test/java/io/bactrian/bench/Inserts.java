package io.bactrian.bench;

import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.concurrent.Callable;
import java.util.concurrent.Executors;

/** One-row inserts, each committed, into a table with the columns of customers: as fast as so many connections can. */
final class Inserts {

    static final Duration ROUND = Duration.ofMillis(1200);

    private Inserts() {
    }

    /** One round. Returns how many a second; what was captured of them is in Kafka then. */
    static double rate(Servers servers, int writers, String table) throws Exception {
        var connections = new ArrayList<Connection>();
        var threads = Executors.newFixedThreadPool(writers);
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
            threads.shutdown();
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
