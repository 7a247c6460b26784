package io.bactrian.bench;

import java.lang.management.ManagementFactory;
import java.sql.SQLException;
import java.time.Duration;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Stream;

/**
 * The processor time that all but the senders take, added up over the runs: the application, Postgres except for the benchmark's own connections, and the broker, which runs beside
 * the senders in this JVM. Where Stripe's simulator works there too, the broker cannot be told from it, and is left out.
 */
final class Processors {

    private static final AtomicLong SENDERS = new AtomicLong();

    private final Servers servers;
    private final Application application;
    private final ProcessHandle postmaster;
    private final boolean withBroker;
    private final Map<Long, Long> before = new HashMap<>();
    private long applicationNanos;
    private long postgresNanos;
    private long brokerNanos;

    private Processors(Servers servers, Application application, boolean withBroker) throws SQLException {
        this.servers = servers;
        this.application = application;
        this.withBroker = withBroker;
        try (var connection = servers.connect()) {
            postmaster = ProcessHandle.of(Servers.backend(connection)).flatMap(ProcessHandle::parent).orElseThrow();
        }
    }

    /** Where the simulator does nothing. */
    static Processors withBroker(Servers servers, Application application) throws SQLException {
        return new Processors(servers, application, true);
    }

    /** Where the simulator is called. */
    static Processors withoutBroker(Servers servers, Application application) throws SQLException {
        return new Processors(servers, application, false);
    }

    /** Threads for those who send. What they took is known once each has called {@link #note}. */
    static ExecutorService senders(int n) {
        return Executors.newFixedThreadPool(n);
    }

    /** This thread has sent all that it was to, and took so much. */
    static void note() {
        SENDERS.addAndGet(ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime());
    }

    /** From now on it counts. */
    void begin() {
        applicationNanos -= application.processorTime().toNanos();
        brokerNanos -= broker();
        before.clear();
        backends().forEach(backend -> before.put(backend.pid(), nanos(backend)));
    }

    /** Until now it counted. */
    void end() {
        applicationNanos += application.processorTime().toNanos();
        brokerNanos += broker();
        postgresNanos += backends().mapToLong(backend -> Math.max(0, nanos(backend) - before.getOrDefault(backend.pid(), 0L))).sum();
    }

    private Stream<ProcessHandle> backends() {
        return postmaster.children().filter(backend -> !servers.ownBackends().contains(backend.pid()));
    }

    /** What each of {@code n} took in all, and who took how much of it. */
    Result result(String what, double target, long n, int runs) {
        double millis = millis(n);
        return new Result(what, Result.precise(millis), parts(n), "≤ " + target + " ms", millis <= target, n / runs, runs);
    }

    /** The same, without a target. */
    Result result(String what, long n, int runs) {
        return Result.reported(what, Result.precise(millis(n)), parts(n), n / runs, runs);
    }

    private double millis(long n) {
        return (applicationNanos + postgresNanos + (withBroker ? brokerNanos : 0)) / 1e6 / n;
    }

    private String parts(long n) {
        var parts = String.format(Locale.ROOT, "application %.2f, Postgres %.2f", applicationNanos / 1e6 / n, postgresNanos / 1e6 / n);
        return withBroker ? parts + String.format(Locale.ROOT, ", broker %.2f", brokerNanos / 1e6 / n) : parts;
    }

    private static long nanos(ProcessHandle process) {
        return process.info().totalCpuDuration().orElse(Duration.ZERO).toNanos();
    }

    private static long broker() {
        return ManagementFactory.getPlatformMXBean(com.sun.management.OperatingSystemMXBean.class).getProcessCpuTime() - SENDERS.get();
    }
}
