package io.bactrian.bench;

import io.bactrian.bench.CustomerEvents.Load;
import io.bactrian.sandbox.stripe.ApiCall;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;

/**
 * How many of Stripe's events the application takes, and how long each waits for its answer, which comes after the commit: each makes a customer, or changes the
 * name of one. All else runs too: the changes go to Kafka, and come back to the route that writes to Stripe. Beside it the processor time that an event costs,
 * that of whatever follows from it included, but without that of who sends it.
 *
 * <p>With {@code -Dbench.peer}, see {@link Peer}, another product takes the same events in the same run, in turns with the application.
 */
final class Webhooks implements Benchmark {

    private static final int[] CONNECTIONS = {16, 64};
    private static final int EVENTS = 5_000;
    private static final double TARGET_P99 = 40;
    private static final double TARGET_MILLIS = 1.2;
    private static final double[] TARGET_RATIO = {1.5, 2};
    private static final long MEMORY_TARGET = 400;

    private final CustomerEvents events = new CustomerEvents();

    /** What one load at one number of connections comes to. */
    private record Figures(Processors processors, List<Receiver.Run> ours, List<Receiver.Run> theirs) {
        private Figures(Servers servers, Application application) throws SQLException {
            this(Processors.withBroker(servers, application), new ArrayList<>(), new ArrayList<>());
        }
    }

    @Override
    public List<Result> run() throws Exception {
        var results = new ArrayList<Result>();
        try (var servers = Servers.start(); var application = Application.start(servers); var peer = Peer.start(servers)) {
            var ours = new Receiver(application.port(), "/webhooks/stripe", true);
            var theirs = peer == null ? null : new Receiver(peer.port(), peer.path(), false);
            Parameters.warmUp(() -> {
                for (var load : Load.values()) {
                    send(load, CONNECTIONS[0], ours, theirs, new Figures(servers, application));
                }
            });
            servers.awaitEmptyOutbox();
            for (int i = 0; i < CONNECTIONS.length; i++) {
                var yardstick = new Yardstick(servers, CONNECTIONS[i]);
                var figures = new EnumMap<Load, Figures>(Load.class);
                for (var load : Load.values()) {
                    figures.put(load, new Figures(servers, application));
                }
                for (int run = 0; run < Parameters.runs(); run++) {
                    for (var load : Load.values()) {
                        send(load, CONNECTIONS[i], ours, theirs, figures.get(load));
                        servers.awaitEmptyOutbox();
                        figures.get(load).processors.end();
                    }
                    yardstick.measure();
                }
                for (var load : Load.values()) {
                    tell(load.name().toLowerCase(Locale.ROOT) + ", " + CONNECTIONS[i] + " connections", figures.get(load), yardstick, TARGET_RATIO[i], results);
                }
            }
            long memory = application.residentBytes() >> 20;
            results.add(new Result("memory of the application after these webhooks", memory + " MB", "", "≤ " + MEMORY_TARGET + " MB", memory <= MEMORY_TARGET, 1, 1));

            events.expectApplied(servers);
            servers.expect("failures", 0, "select count(*) from sync.failure");
            Servers.expect("writes to Stripe", 0, servers.stripe.apiCalls().stream().filter(ApiCall::wrote).count());
        }
        return results;
    }

    private void send(Load load, int connections, Receiver ours, Receiver theirs, Figures figures) throws Exception {
        var next = events.next(load, EVENTS);
        if (theirs != null) {
            figures.theirs.add(theirs.send(next, connections, () -> { }));
        }
        figures.ours.add(ours.send(next, connections, figures.processors::begin));
    }

    private static void tell(String name, Figures figures, Yardstick yardstick, double target, List<Result> results) {
        double rate = rate(figures.ours);
        int runs = figures.ours.size();
        results.add(Result.reported("webhooks: " + name, Result.number(rate) + "/s", "", EVENTS, runs).beside(yardstick.share(rate)));
        double p99 = p99(figures.ours);
        results.add(new Result("webhook → answer: " + name, Result.millis(Latencies.median(latencies(figures.ours), Latencies::p50)), Result.millis(p99),
                "p99 ≤ " + Result.number(TARGET_P99) + " ms", p99 <= TARGET_P99, EVENTS, runs));
        results.add(figures.processors.result("processor time of all an event: " + name, TARGET_MILLIS, (long) EVENTS * runs, runs));
        if (!figures.theirs.isEmpty()) {
            double ratio = rate / rate(figures.theirs);
            results.add(new Result("of the peer's " + Result.number(rate(figures.theirs)) + "/s: " + name, "%.2f".formatted(ratio), "its p99 " + Result.millis(p99(figures.theirs)),
                    "≥ " + target, ratio >= target, EVENTS, runs));
        }
    }

    private static double rate(List<Receiver.Run> runs) {
        return Result.median(runs.stream().mapToDouble(Receiver.Run::rate).toArray());
    }

    private static double p99(List<Receiver.Run> runs) {
        return Latencies.median(latencies(runs), Latencies::p99);
    }

    private static List<Latencies> latencies(List<Receiver.Run> runs) {
        return runs.stream().map(Receiver.Run::latencies).toList();
    }
}
