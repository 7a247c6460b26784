package io.bactrian.bench;

import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * What the same Postgres does without any sync, measured between the runs of a benchmark while the application has nothing to do: one-row inserts into a table that is like
 * customers but has no trigger. A figure beside it says something on any machine, and on a busy one.
 */
final class Yardstick {

    /** The table. */
    static final String BARE = "bare";

    /** As many connections as the application has by default, for what has no connections of its own. */
    static final int POOL = 16;

    private final Servers servers;
    private final int connections;
    private final List<Double> rates = new ArrayList<>();

    /** The catalogue must have been migrated. */
    Yardstick(Servers servers, int connections) throws SQLException {
        this.servers = servers;
        this.connections = connections;
        servers.execute("create table if not exists " + BARE + " (like customers including all)");
    }

    /** One more round, of which the median counts. */
    void measure() throws Exception {
        if (rates.isEmpty()) {
            Inserts.rate(servers, connections, BARE); // a round to warm up
        }
        rates.add(Inserts.rate(servers, connections, BARE));
    }

    /** Which part of the bare rate that is. */
    String share(double rate) {
        return String.format(Locale.ROOT, "%.2f %% of %s/s", 100 * rate / rate(), Result.number(rate()));
    }

    /** How often a bare insert is done on one of the connections in that time. */
    String multiple(double millis) {
        double insert = 1e3 * connections / rate();
        return String.format(Locale.ROOT, "%.0f × %.2f ms", millis / insert, insert);
    }

    private double rate() {
        return Result.median(rates.stream().mapToDouble(rate -> rate).toArray());
    }
}
