package io.bactrian.bench;

import java.util.ArrayList;
import java.util.List;

/**
 * How many records a second one statement's rows reach Stripe with: inserted and updated, when Stripe answers at once, and when it takes the 300 ms that a real call
 * takes, at the rate that a live key has. Beside it the processor time of the application a record.
 */
final class Bulk implements Benchmark {

    private static final int WARM_UP = 600;
    private static final int AT_ONCE = 1_500;
    private static final int SLOWLY = 600;
    private static final int LATENCY = 300;
    private static final int JITTER = 50;
    private static final int LIVE_RATE = 80;
    private static final int RUNS = 3;
    private static final double TARGET = 250;
    private static final double TARGET_SLOWLY = 76;
    private static final double TARGET_MILLIS = 5;

    @Override
    public List<Result> run() throws Exception {
        var results = new ArrayList<Result>();
        try (var servers = Servers.start(); var application = Application.start(servers, "stripe.rate-limit=10000")) {
            insert(servers, WARM_UP);
            update(servers, WARM_UP);
            measure(servers, application, AT_ONCE, "Stripe answers at once", TARGET, results);
        }
        try (var servers = Servers.start(); var application = Application.start(servers, "stripe.rate-limit=" + LIVE_RATE)) {
            insert(servers, WARM_UP);
            servers.stripe.faults().latency(LATENCY - JITTER, 2 * JITTER);
            measure(servers, application, SLOWLY, "Stripe takes " + LATENCY + " ± " + JITTER + " ms, " + LIVE_RATE + "/s allowed", TARGET_SLOWLY, results);
        }
        return results;
    }

    private static void measure(Servers servers, Application application, int n, String how, double target, List<Result> results) throws Exception {
        var inserted = new double[RUNS];
        var updated = new double[RUNS];
        var processor = application.processorTime();
        for (int run = 0; run < RUNS; run++) {
            inserted[run] = insert(servers, n);
            updated[run] = update(servers, n);
        }
        double millis = (application.processorTime().minus(processor).toNanos()) / 1e6 / (2.0 * RUNS * n);
        servers.expect("failures", 0, "select count(*) from sync.failure");
        results.add(rate("inserted rows reach Stripe; " + how, inserted, target, n));
        results.add(rate("updated rows reach Stripe; " + how, updated, target, n));
        results.add(new Result("processor time of the application a record; " + how, Result.millis(millis), "", "≤ " + Result.number(TARGET_MILLIS) + " ms",
                millis <= TARGET_MILLIS, 2L * RUNS * n, 1));
    }

    private static Result rate(String what, double[] rates, double target, int n) {
        double rate = Result.median(rates);
        return new Result(what, Result.number(rate) + "/s", "", "≥ " + Result.number(target) + "/s", rate >= target, n, RUNS);
    }

    private static double insert(Servers servers, int n) throws Exception {
        long linked = servers.number("select count(*) from sync.link where external_id is not null");
        long begin = System.nanoTime();
        servers.execute("insert into customers (name, email) select 'Customer ' || n, 'customer' || n || '@example.com' from generate_series(1, ?) n", n);
        servers.await(linked + n, "select count(*) from sync.link where external_id is not null and lease_token is null");
        return n / ((System.nanoTime() - begin) / 1e9);
    }

    private static double update(Servers servers, int n) throws Exception {
        long begin = System.nanoTime();
        servers.execute("update customers set description = 'updated ' || gen_random_uuid() where id in (select id from customers order by id desc limit ?)", n);
        servers.await(n, "select count(*) from sync.link l join customers c on c.id::text = l.record_id"
                + " where l.lease_token is null and c.description is not null and l.hub_base ->> 'description' = c.description and c.id > (select max(id) from customers) - " + n);
        return n / ((System.nanoTime() - begin) / 1e9);
    }
}
