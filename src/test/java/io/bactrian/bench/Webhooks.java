package io.bactrian.bench;

import io.bactrian.sandbox.stripe.ApiCall;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;

/**
 * How many of Stripe's events the application takes, and how long each waits for its answer, which comes after the commit: each makes a customer, or changes the
 * name of one. All else runs too: the changes go to Kafka, and come back to the route that writes to Stripe. Beside it the processor time that an event costs,
 * that of whatever follows from it included, but without that of who sends it.
 *
 * <p>With {@code -Dbench.peer}, see {@link Peer}, another product takes the same events in the same run, in turns with the application.
 */
final class Webhooks implements Benchmark {

    private static final int[] CONNECTIONS = {16, 64};
    private static final int CUSTOMERS = 5_000;
    private static final int RUNS = 3;
    private static final Duration WARM_UP = Duration.ofSeconds(60);
    private static final double TARGET_P99 = 40;
    private static final double TARGET_MILLIS = 1.2;
    private static final double[] TARGET_RATIO = {1.5, 2};
    private static final long MEMORY_TARGET = 400;

    private final long time = Instant.now().getEpochSecond() - 1_000_000;
    private int customers;
    private int version;
    private long events;

    /** Where events are sent, and what the answer to one must contain. */
    private record Receiver(int port, String path, String created, String updated) {
    }

    @Override
    public List<Result> run() throws Exception {
        var results = new ArrayList<Result>();
        try (var servers = Servers.start(); var application = Application.start(servers); var peer = Peer.start(servers)) {
            var ours = new Receiver(application.port(), "/webhooks/stripe", "\"created\"", "\"applied\"");
            var theirs = peer == null ? null : new Receiver(peer.port(), peer.path(), "", "");
            for (long end = System.nanoTime() + WARM_UP.toNanos(); customers == 0 || System.nanoTime() < end;) {
                create(CONNECTIONS[0], ours, theirs);
                update(CONNECTIONS[0], ours, theirs);
            }
            servers.awaitEmptyOutbox();
            var processors = new Processors(servers, application);
            for (int i = 0; i < CONNECTIONS.length; i++) {
                measure(CONNECTIONS[i], ours, theirs, TARGET_RATIO[i], servers, processors, results);
            }
            long memory = application.residentBytes() >> 20;
            results.add(new Result("memory of the application after these webhooks", memory + " MB", "", "≤ " + MEMORY_TARGET + " MB", memory <= MEMORY_TARGET, 1, 1));

            servers.expect("customers", customers, "select count(*) from customers");
            servers.expect("rows with the last name", customers, "select count(*) from customers where name = description || ' ' || email || ' v" + version + "'");
            servers.expect("events in the ledger", events, "select count(*) from sync.event");
            servers.expect("failures", 0, "select count(*) from sync.failure");
            Servers.expect("writes to Stripe", 0, servers.stripe.apiCalls().stream().filter(ApiCall::wrote).count());
        }
        return results;
    }

    private void measure(int connections, Receiver ours, Receiver theirs, double target, Servers servers, Processors processors, List<Result> results) throws Exception {
        var createdThere = new ArrayList<Run>();
        var updatedThere = new ArrayList<Run>();
        var created = new ArrayList<Run>();
        var updated = new ArrayList<Run>();
        double createdMillis = 0;
        double updatedMillis = 0;
        for (int run = 0; run < RUNS; run++) {
            created.add(create(connections, ours, theirs, createdThere, processors::begin));
            servers.awaitEmptyOutbox();
            createdMillis += processors.millis() / RUNS / CUSTOMERS;
            updated.add(update(connections, ours, theirs, updatedThere, processors::begin));
            servers.awaitEmptyOutbox();
            updatedMillis += processors.millis() / RUNS / CUSTOMERS;
        }
        tell("created", connections, created, createdThere, createdMillis, target, results);
        tell("updated", connections, updated, updatedThere, updatedMillis, target, results);
        results.add(Result.reported("of that, the last updates: " + processors.describe(CUSTOMERS), "", "", CUSTOMERS, 1));
    }

    private static void tell(String what, int connections, List<Run> ours, List<Run> theirs, double millis, double target, List<Result> results) {
        var name = what + ", " + connections + " connections";
        double rate = rate(ours);
        double p99 = Latencies.median(ours.stream().map(Run::latencies).toList(), Latencies::p99);
        double p50 = Latencies.median(ours.stream().map(Run::latencies).toList(), Latencies::p50);
        results.add(Result.reported("webhooks: " + name, Result.number(rate) + "/s", "", CUSTOMERS, RUNS));
        results.add(new Result("webhook → answer: " + name, Result.millis(p50), Result.millis(p99), "p99 ≤ " + Result.number(TARGET_P99) + " ms", p99 <= TARGET_P99,
                CUSTOMERS, RUNS));
        results.add(new Result("processor time of all an event: " + name, "%.2f ms".formatted(millis), "", "≤ " + TARGET_MILLIS + " ms", millis <= TARGET_MILLIS,
                CUSTOMERS, RUNS));
        if (!theirs.isEmpty()) {
            double ratio = rate / rate(theirs);
            results.add(new Result("of the peer's " + Result.number(rate(theirs)) + "/s: " + name, "%.2f".formatted(ratio), "its p99 "
                    + Result.millis(Latencies.median(theirs.stream().map(Run::latencies).toList(), Latencies::p99)), "≥ " + target, ratio >= target, CUSTOMERS, RUNS));
        }
    }

    private record Run(double rate, Latencies latencies) {
    }

    private static double rate(List<Run> runs) {
        return Result.median(runs.stream().mapToDouble(Run::rate).toArray());
    }

    private void create(int connections, Receiver ours, Receiver theirs) throws Exception {
        create(connections, ours, theirs, new ArrayList<>(), () -> { });
    }

    private void update(int connections, Receiver ours, Receiver theirs) throws Exception {
        update(connections, ours, theirs, new ArrayList<>(), () -> { });
    }

    private Run create(int connections, Receiver ours, Receiver theirs, List<Run> there, Runnable beforeOurs) throws Exception {
        int first = customers;
        customers += CUSTOMERS;
        version = 0;
        Event event = (customer, receiver) -> StripeEvents.created(receiver.path, first + customer, name(first + customer, 0), time);
        if (theirs != null) {
            there.add(send(connections, theirs, theirs.created, event));
        }
        events += CUSTOMERS;
        beforeOurs.run();
        return send(connections, ours, ours.created, event);
    }

    private Run update(int connections, Receiver ours, Receiver theirs, List<Run> there, Runnable beforeOurs) throws Exception {
        int first = customers - CUSTOMERS;
        version++;
        Event event = (customer, receiver) -> StripeEvents.updated(receiver.path, first + customer, name(first + customer, version), name(first + customer, version - 1),
                version, time + version);
        if (theirs != null) {
            there.add(send(connections, theirs, theirs.updated, event));
        }
        events += CUSTOMERS;
        beforeOurs.run();
        return send(connections, ours, ours.updated, event);
    }

    private interface Event {
        byte[] about(int customer, Receiver receiver);
    }

    private static String name(int customer, int version) {
        return "made by the benchmark customer%d@example.com v%d".formatted(customer, version);
    }

    /** Sends one event about each customer, and makes sure that it had that outcome. */
    private static Run send(int connections, Receiver receiver, String outcome, Event event) throws Exception {
        var latencies = new Latencies();
        var work = new ArrayList<Callable<Void>>();
        for (int connection = 0; connection < connections; connection++) {
            var requests = new ArrayList<byte[]>();
            for (int customer = connection; customer < CUSTOMERS; customer += connections) {
                requests.add(event.about(customer, receiver));
            }
            work.add(() -> send(receiver.port, requests, outcome, latencies));
        }
        var threads = Processors.senders(connections);
        try {
            long begin = System.nanoTime();
            for (var done : threads.invokeAll(work)) {
                done.get();
            }
            return new Run(CUSTOMERS / ((System.nanoTime() - begin) / 1e9), latencies);
        } finally {
            threads.shutdown();
        }
    }

    private static Void send(int port, List<byte[]> requests, String outcome, Latencies latencies) throws Exception {
        try (var connection = new KeepAliveConnection(port)) {
            for (var request : requests) {
                long begin = System.nanoTime();
                var answer = connection.send(request);
                latencies.record(System.nanoTime() - begin);
                if (!answer.startsWith("HTTP/1.1 200 ") || !answer.contains(outcome)) {
                    throw new IllegalStateException("a webhook that should be " + outcome + " was answered " + answer);
                }
            }
        }
        Processors.note();
        return null;
    }
}
