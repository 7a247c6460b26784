package io.bactrian.bench;

import java.util.ArrayList;
import java.util.List;

/**
 * What capture costs those who write: one-row inserts as fast as they go, into customers and into a table that is the same but not tracked,
 * in turn, while changes are moved to Kafka.
 */
final class Writers implements Benchmark {

    private static final int WARM_UP = 200_000;
    private static final int[] WRITERS = {1, 8, 16};
    private static final double TARGET = 0.65;

    @Override
    public List<Result> run() throws Exception {
        try (var servers = Servers.start(); var application = Application.start(servers, Application.ONLY_CAPTURE); var changes = new Changes(servers)) {
            servers.execute("create table " + Yardstick.BARE + " (like customers including all)");
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
        Inserts.rate(servers, writers, "customers"); // a round to warm up
        int rounds = 2 * Parameters.runs() + 1;
        var ratios = new double[rounds];
        var tracked = new double[rounds];
        for (int round = 0; round < rounds; round++) {
            boolean bareFirst = round % 2 == 0;
            double first = Inserts.rate(servers, writers, bareFirst ? Yardstick.BARE : "customers");
            double second = Inserts.rate(servers, writers, bareFirst ? "customers" : Yardstick.BARE);
            tracked[round] = bareFirst ? second : first;
            ratios[round] = bareFirst ? second / first : first / second;
        }
        double ratio = Result.median(ratios);
        double rate = Result.median(tracked);
        var what = writers + (writers == 1 ? " writer" : " writers") + " into a tracked table, and compared to a bare one";
        boolean aim = writers == WRITERS[WRITERS.length - 1];
        return new Result(what, Result.number(rate) + " tps", Result.percent(ratio), aim ? "≥ " + Result.percent(TARGET) : "",
                !aim || ratio >= TARGET, Math.round(rate * Inserts.ROUND.toMillis() / 1000), rounds);
    }
}
