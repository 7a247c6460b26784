package io.bactrian.bench;

import java.util.ArrayList;
import java.util.List;

/**
 * How many records a second one statement's rows reach Stripe with: inserted and updated, when Stripe answers at once, and when it takes the 300 ms that a real call
 * takes, at the rate that a live key has. Beside it the processor time of the application and of Postgres a record.
 */
final class Bulk implements Benchmark {

    private static final int WARM_UP = 600;
    private static final int AT_ONCE = 1_500;
    private static final int SLOWLY = 600;
    private static final int LATENCY = 300;
    private static final int JITTER = 50;
    private static final int LIVE_RATE = 80;
    private static final double TARGET = 250;
    private static final double TARGET_SLOWLY = 76;
    private static final double TARGET_MILLIS = 5;

    @Override
    public List<Result> run() throws Exception {
        var results = new ArrayList<Result>();
        try (var servers = Servers.start(); var application = Application.start(servers, "stripe.rate-limit=10000")) {
            warmUp(servers);
            measure(servers, application, AT_ONCE, "Stripe answers at once", TARGET, results);
        }
        try (var servers = Servers.start(); var application = Application.start(servers, "stripe.rate-limit=" + LIVE_RATE)) {
            warmUp(servers);
            servers.stripe.faults().latency(LATENCY - JITTER, 2 * JITTER);
            measure(servers, application, SLOWLY, "Stripe takes " + LATENCY + " ± " + JITTER + " ms, " + LIVE_RATE + "/s allowed", TARGET_SLOWLY, results);
        }
        return results;
    }

    private static void warmUp(Servers servers) throws Exception {
        Parameters.warmUp(() -> {
            insert(servers, WARM_UP);
            update(servers, WARM_UP);
        });
    }

    private static void measure(Servers servers, Application application, int n, String how, double target, List<Result> results) throws Exception {
        int runs = Parameters.runs();
        var inserted = new double[runs];
        var updated = new double[runs];
        var yardstick = new Yardstick(servers, Yardstick.POOL);
        var processors = Processors.withoutBroker(servers, application);
        for (int run = 0; run < runs; run++) {
            processors.begin();
            inserted[run] = insert(servers, n);
            updated[run] = update(servers, n);
            processors.end();
            yardstick.measure();
        }
        servers.expect("failures", 0, "select count(*) from sync.failure");
        results.add(Result.rate("inserted rows reach Stripe; " + how, inserted, yardstick, target, n));
        results.add(Result.rate("updated rows reach Stripe; " + how, updated, yardstick, target, n));
        results.add(processors.result("processor time of application and Postgres a record; " + how, TARGET_MILLIS, 2L * runs * n, runs));
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
