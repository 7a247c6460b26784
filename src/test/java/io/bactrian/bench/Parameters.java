package io.bactrian.bench;

import java.time.Duration;

/** How long is warmed up and how often is measured. Short, so that all benchmarks take less than a quarter of an hour; figures to be published need more. */
final class Parameters {

    private static final int WARM_UP_SECONDS = 20;
    private static final int RUNS = 3;

    private Parameters() {
    }

    /** Something that is done again and again. */
    interface Step {
        void run() throws Exception;
    }

    /** Of how many runs a figure is the median: {@code -Dbench.runs}. */
    static int runs() {
        return number("bench.runs", RUNS);
    }

    /** Does it until the application is warm, and at least once: {@code -Dbench.warm-up}, in seconds. */
    static void warmUp(Step step) throws Exception {
        long end = System.nanoTime() + Duration.ofSeconds(number("bench.warm-up", WARM_UP_SECONDS)).toNanos();
        do {
            step.run();
        } while (System.nanoTime() < end);
    }

    private static int number(String name, int otherwise) {
        var value = System.getProperty(name, "");
        return value.isBlank() ? otherwise : Integer.parseInt(value.strip());
    }
}
