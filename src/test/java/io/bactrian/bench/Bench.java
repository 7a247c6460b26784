package io.bactrian.bench;

import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Runs the benchmarks, {@code mvn -Pbench}, and prints their table in Markdown. {@code -Dbench=webhooks} runs one of them, or several by
 * comma. It fails when one could not measure, not when a target is missed.
 */
public final class Bench {

    private static final Map<String, Benchmark> ALL = new LinkedHashMap<>();

    static {
        ALL.put("capture-backlog", new CaptureBacklog());
        ALL.put("capture-latency", new CaptureLatency());
        ALL.put("writers", new Writers());
        ALL.put("webhooks", new Webhooks());
        ALL.put("bulk", new Bulk());
        ALL.put("invoices", new Invoices());
        ALL.put("row-to-stripe", new RowToStripe());
        ALL.put("heal", new Heal());
        ALL.put("start-up", new StartUp());
    }

    private Bench() {
    }

    public static void main(String[] args) throws Exception {
        var selected = System.getProperty("bench", "");
        var names = selected.isBlank() ? List.copyOf(ALL.keySet()) : List.of(selected.split(","));
        for (var name : names) {
            if (!ALL.containsKey(name)) {
                System.err.println("There is no benchmark " + name + ", but " + String.join(", ", ALL.keySet()));
                System.exit(1);
            }
        }
        System.out.println(Machine.describe() + "\n\n" + Result.HEADER);
        int failed = 0;
        long begin = System.nanoTime();
        for (var name : names) {
            Recordings.begin(name);
            try {
                ALL.get(name).run().forEach(result -> System.out.println(result.row()));
            } catch (Exception e) {
                failed++;
                System.out.println("| " + name + " | failed | | | | | |");
                e.printStackTrace();
            }
        }
        System.out.printf("%nIn %d s; load average %.1f at the end%n", Duration.ofNanos(System.nanoTime() - begin).toSeconds(), Machine.load());
        System.exit(failed == 0 ? 0 : 1);
    }
}
