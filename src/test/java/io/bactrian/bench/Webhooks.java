package io.bactrian.bench;

import io.bactrian.sandbox.stripe.ApiCall;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/**
 * How many of Stripe's events the application takes, and how long each waits for its answer, which comes after the commit: each changes the name
 * of a customer that exists. All else runs too: the changes go to Kafka, and come back to the route that writes to Stripe.
 */
final class Webhooks implements Benchmark {

    private static final int CONNECTIONS = 16;
    private static final int CUSTOMERS = 5_000;
    private static final int RUNS = 5;
    private static final double TARGET_RATE = 2_500;
    private static final double TARGET_P99 = 40;
    private static final long MEMORY_TARGET = 400;

    @Override
    public List<Result> run() throws Exception {
        var threads = Executors.newFixedThreadPool(CONNECTIONS);
        try (var servers = Servers.start(); var application = Application.start(servers)) {
            long time = Instant.now().getEpochSecond() - 100;
            // Makes the customers, and warms up.
            send(threads, application, "created", customer -> StripeEvents.created(customer, name(customer, 0), time), new Latencies());
            send(threads, application, "applied", customer -> update(customer, 1, time), new Latencies());

            var rates = new double[RUNS];
            var latencies = new ArrayList<Latencies>();
            for (int run = 0; run < RUNS; run++) {
                int version = run + 2;
                latencies.add(new Latencies());
                rates[run] = send(threads, application, "applied", customer -> update(customer, version, time), latencies.get(run));
                servers.awaitEmptyOutbox();
            }
            long memory = application.residentBytes() >> 20;

            int last = RUNS + 1;
            servers.expect("rows with the last name", CUSTOMERS, "select count(*) from customers where name = description || ' ' || email || ' v" + last + "'");
            servers.expect("events in the ledger", (long) CUSTOMERS * (last + 1), "select count(*) from sync.event");
            servers.expect("failures", 0, "select count(*) from sync.failure");
            Servers.expect("writes to Stripe", 0, servers.stripe.apiCalls().stream().filter(ApiCall::wrote).count());
            double rate = Result.median(rates);
            double p99 = Latencies.median(latencies, Latencies::p99);
            return List.of(
                    new Result("webhooks, " + CONNECTIONS + " connections", Result.number(rate) + "/s", "", "≥ " + Result.number(TARGET_RATE) + "/s",
                            rate >= TARGET_RATE, CUSTOMERS, RUNS),
                    new Result("webhook → answer, " + CONNECTIONS + " connections", Result.millis(Latencies.median(latencies, Latencies::p50)),
                            Result.millis(p99), "p99 ≤ " + Result.number(TARGET_P99) + " ms", p99 <= TARGET_P99, CUSTOMERS, RUNS),
                    new Result("memory of the application after these webhooks", memory + " MB", "", "≤ " + MEMORY_TARGET + " MB", memory <= MEMORY_TARGET, 1, 1));
        } finally {
            threads.shutdown();
        }
    }

    private interface Event {
        byte[] about(int customer);
    }

    private static byte[] update(int customer, int version, long time) {
        return StripeEvents.updated(customer, name(customer, version), name(customer, version - 1), version, time + version);
    }

    private static String name(int customer, int version) {
        return "made by the benchmark customer%d@example.com v%d".formatted(customer, version);
    }

    /** Sends one event about each customer, and makes sure that it had that outcome. Returns how many a second. */
    private static double send(ExecutorService threads, Application application, String outcome, Event event, Latencies latencies) throws Exception {
        var work = new ArrayList<Callable<Void>>();
        for (int connection = 0; connection < CONNECTIONS; connection++) {
            var requests = new ArrayList<byte[]>();
            for (int customer = connection; customer < CUSTOMERS; customer += CONNECTIONS) {
                requests.add(event.about(customer));
            }
            work.add(() -> send(application.port(), requests, outcome, latencies));
        }
        long begin = System.nanoTime();
        for (var done : threads.invokeAll(work)) {
            done.get();
        }
        return CUSTOMERS / ((System.nanoTime() - begin) / 1e9);
    }

    private static Void send(int port, List<byte[]> requests, String outcome, Latencies latencies) throws Exception {
        try (var connection = new KeepAliveConnection(port)) {
            for (var request : requests) {
                long begin = System.nanoTime();
                var answer = connection.send(request);
                latencies.record(System.nanoTime() - begin);
                if (!answer.startsWith("HTTP/1.1 200 ") || !answer.contains("\"" + outcome + "\"")) {
                    throw new IllegalStateException("a webhook that should be " + outcome + " was answered " + answer);
                }
            }
        }
        return null;
    }
}
