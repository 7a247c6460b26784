package io.bactrian;

import java.nio.file.Path;
import java.time.Duration;
import java.time.LocalTime;
import java.time.format.DateTimeFormatter;
import java.time.format.DateTimeParseException;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Random;

/**
 * Runs a scenario, {@code mvn -Pchaos -Dchaos.scenario=outage}, and prints what was measured, as a table in Markdown. The exit code is 0 when
 * every check held.
 */
public final class Scenarios {

    /** @param duration how long it lasts unless told otherwise; empty where that cannot be chosen */
    private record Choice(Scenario scenario, String duration) {
    }

    private static final String DEFAULT = "faults";
    private static final Map<String, Choice> ALL = new LinkedHashMap<>();

    static {
        ALL.put(DEFAULT, new Choice(new Chaos(), "30m"));
        ALL.put("invoices", new Choice(new LifeCycles(), ""));
        ALL.put("outage", new Choice(new Outage(), "10m"));
        ALL.put("poison", new Choice(new Poison(), ""));
        ALL.put("downtime", new Choice(new Downtime(), ""));
        ALL.put("hidden-rows", new Choice(Unseen.hiddenRows(), "10m"));
        ALL.put("renamed-column", new Choice(Unseen.renamedColumn(), "10m"));
        ALL.put("revoked-select", new Choice(Unseen.revokedSelect(), "10m"));
        ALL.put("truncated-table", new Choice(Unseen.truncatedTable(), "10m"));
        ALL.put("forbidden-reads", new Choice(Unseen.forbiddenReads(), "10m"));
    }

    private Scenarios() {
    }

    /** Reads {@code chaos.scenario}, {@code chaos.duration} (90s, 30m, 2h) and {@code chaos.seed}; each may be empty. */
    public static void main(String[] args) {
        var name = setting("chaos.scenario", DEFAULT);
        if (!ALL.containsKey(name)) {
            usage("There is no scenario " + name + ": chaos.scenario is one of " + String.join(", ", ALL.keySet()) + ".");
        }
        var hasDuration = !ALL.get(name).duration().isEmpty();
        var duration = hasDuration ? setting("chaos.duration", ALL.get(name).duration()) : "0s";
        var seed = setting("chaos.seed", Integer.toString(new Random().nextInt(1_000_000)));
        if (!seed.matches("[0-9]{1,18}")) {
            usage("chaos.seed is " + seed + ", and must be a number.");
        }
        System.out.println("chaos.scenario=" + name + (hasDuration ? ", chaos.duration=" + duration : "") + ", chaos.seed=" + seed);
        var report = new Report(step -> System.out.println(DateTimeFormatter.ofPattern("HH:mm:ss ").format(LocalTime.now()) + step));
        try {
            run(ALL.get(name).scenario(), parse(duration), Long.parseLong(seed), report);
        } catch (Throwable e) {
            e.printStackTrace();
            System.exit(1);
        }
        System.out.println("\n| | " + name + ", seed " + seed + " |\n|---|---:|\n" + String.join("\n", report.rows()));
        System.exit(0);
    }

    /** Runs one between two sides of its own. When it fails, what there is to know about it is in target/chaos. */
    static void run(Scenario scenario, Duration duration, long seed, Report report) throws Exception {
        try (var sides = new TwoSides()) {
            try {
                scenario.run(sides, duration, seed, report);
            } catch (Throwable e) {
                var evidence = Path.of("target/chaos/" + seed);
                try {
                    sides.keepEvidence(evidence);
                } catch (Exception alsoFailed) {
                    e.addSuppressed(alsoFailed);
                }
                throw new AssertionError("chaos.seed is " + seed + ", see " + evidence, e);
            }
        }
    }

    private static Duration parse(String duration) {
        try {
            return Duration.parse("PT" + duration);
        } catch (DateTimeParseException e) {
            usage("chaos.duration is " + duration + ", and must look like 90s, 30m or 2h.");
            throw e;
        }
    }

    private static String setting(String name, String otherwise) {
        var value = System.getProperty(name, "");
        return value.isEmpty() ? otherwise : value;
    }

    private static void usage(String message) {
        System.err.println(message);
        System.exit(2);
    }
}
