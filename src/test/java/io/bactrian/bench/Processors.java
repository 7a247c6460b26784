package io.bactrian.bench;

import java.lang.management.ManagementFactory;
import java.sql.SQLException;
import java.time.Duration;
import java.util.Locale;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicLong;

/** The processor time that all but the senders take: the application, Postgres, and the broker, which runs beside the senders in this JVM. */
final class Processors {

    private static final AtomicLong SENDERS = new AtomicLong();

    private final Application application;
    private final ProcessHandle postmaster;
    private long applicationNanos;
    private long postgresNanos;
    private long brokerNanos;

    Processors(Servers servers, Application application) throws SQLException {
        this.application = application;
        try (var connection = servers.connect(); var statement = connection.createStatement(); var rows = statement.executeQuery("select pg_backend_pid()")) {
            rows.next();
            postmaster = ProcessHandle.of(rows.getLong(1)).flatMap(ProcessHandle::parent).orElseThrow();
        }
    }

    /** Threads for those who send. What they took is known once each has called {@link #note}. */
    static ExecutorService senders(int n) {
        return Executors.newFixedThreadPool(n);
    }

    /** This thread has sent all that it was to, and took so much. */
    static void note() {
        SENDERS.addAndGet(ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime());
    }

    void begin() {
        applicationNanos = -application.processorTime().toNanos();
        postgresNanos = -postgres();
        brokerNanos = -broker();
    }

    /** Since it began, in milliseconds. */
    double millis() {
        applicationNanos += application.processorTime().toNanos();
        postgresNanos += postgres();
        brokerNanos += broker();
        return (applicationNanos + postgresNanos + brokerNanos) / 1e6;
    }

    /** Who took how much of what {@link #millis} said, for each of so many. */
    String describe(int n) {
        return String.format(Locale.ROOT, "application %.2f, Postgres %.2f, broker %.2f ms", applicationNanos / 1e6 / n, postgresNanos / 1e6 / n, brokerNanos / 1e6 / n);
    }

    private long postgres() {
        return postmaster.children().map(process -> process.info().totalCpuDuration().orElse(Duration.ZERO)).mapToLong(Duration::toNanos).sum();
    }

    private static long broker() {
        return ManagementFactory.getPlatformMXBean(com.sun.management.OperatingSystemMXBean.class).getProcessCpuTime() - SENDERS.get();
    }
}
