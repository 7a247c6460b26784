package io.bactrian.bench;

import java.util.Arrays;
import java.util.Locale;

/**
 * One row of the table.
 *
 * @param what what was measured
 * @param median of the runs, with its unit
 * @param tail the 99th percentile, or the ratio to something else; empty when there is none
 * @param ofYardstick the same as the yardstick of the run tells it; empty when it tells nothing
 * @param target what it should be; empty when it is only reported
 * @param reached whether it is
 * @param n how many were measured in each run
 * @param runs how many runs
 */
record Result(String what, String median, String tail, String ofYardstick, String target, boolean reached, long n, int runs) {

    static final String HEADER = """
            | | median | p99 or ratio | of bare inserts | target | n | runs |
            |---|---:|---:|---:|---:|---:|---:|""";

    Result(String what, String median, String tail, String target, boolean reached, long n, int runs) {
        this(what, median, tail, "", target, reached, n, runs);
    }

    /** So many a second: the median of the runs, which should be at least the target. */
    static Result rate(String what, double[] rates, Yardstick yardstick, double target, long n) {
        double rate = median(rates);
        return new Result(what, number(rate) + "/s", "", yardstick.share(rate), "≥ " + number(target) + "/s", rate >= target, n, rates.length);
    }

    /** Something that has no target. */
    static Result reported(String what, String median, String tail, long n, int runs) {
        return new Result(what, median, tail, "", true, n, runs);
    }

    /** The same, with what the yardstick says of it. */
    Result beside(String ofYardstick) {
        return new Result(what, median, tail, ofYardstick, target, reached, n, runs);
    }

    /** The row in Markdown. */
    String row() {
        return "| %s | %s | %s | %s | %s | %s | %d |".formatted(what, median, tail, ofYardstick, reached ? target : target + " (missed)", number(n), runs);
    }

    /** The middle one; of an even number, the lower of the two in the middle. */
    static double median(double... values) {
        var sorted = values.clone();
        Arrays.sort(sorted);
        return sorted[(sorted.length - 1) / 2];
    }

    /** A whole number as people write it: 12,345. */
    static String number(double value) {
        return String.format(Locale.ROOT, "%,.0f", value);
    }

    static String millis(double value) {
        return String.format(Locale.ROOT, "%.1f ms", value);
    }

    static String precise(double millis) {
        return String.format(Locale.ROOT, "%.2f ms", millis);
    }

    static String percent(double ratio) {
        return String.format(Locale.ROOT, "%.0f %%", ratio * 100);
    }
}
