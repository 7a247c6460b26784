package io.bactrian.bench;

import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.ToDoubleFunction;
import org.HdrHistogram.ConcurrentHistogram;
import org.HdrHistogram.Histogram;

/** How long each of a run's operations took. Thread-safe. */
public final class Latencies {

    private static final int DIGITS = 3;

    private final Histogram nanos = new ConcurrentHistogram(TimeUnit.MINUTES.toNanos(5), DIGITS);

    /** @param duration in nanoseconds; what was seen before it was known to have happened counts as none */
    public void record(long duration) {
        nanos.recordValue(Math.max(0, duration));
    }

    public long count() {
        return nanos.getTotalCount();
    }

    public double p50() {
        return millis(50);
    }

    public double p99() {
        return millis(99);
    }

    private double millis(double percentile) {
        return nanos.getValueAtPercentile(percentile) / 1e6;
    }

    /** A row from several runs: the median of their medians, and of their 99th percentiles. Targets are in milliseconds. */
    static Result result(String what, List<Latencies> runs, Yardstick yardstick, double targetP50, double targetP99) {
        double p50 = median(runs, Latencies::p50);
        double p99 = median(runs, Latencies::p99);
        return new Result(what, Result.millis(p50), Result.millis(p99), "≤ %.0f / %.0f ms".formatted(targetP50, targetP99),
                p50 <= targetP50 && p99 <= targetP99, runs.get(0).count(), runs.size()).beside(yardstick.multiple(p50));
    }

    /** A row without a target. */
    static Result result(String what, List<Latencies> runs, Yardstick yardstick) {
        double p50 = median(runs, Latencies::p50);
        return Result.reported(what, Result.millis(p50), Result.millis(median(runs, Latencies::p99)), runs.get(0).count(), runs.size()).beside(yardstick.multiple(p50));
    }

    static double median(List<Latencies> runs, ToDoubleFunction<Latencies> value) {
        return Result.median(runs.stream().mapToDouble(value).toArray());
    }
}
