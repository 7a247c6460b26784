package io.bactrian;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.function.BiConsumer;
import java.util.regex.Pattern;

/** How much the application takes while it runs: resident memory, what lives in its heap, threads, connections to Postgres. */
final class Vitals {

    /** Below this many samples, one a second, it is still warming up. */
    private static final int ENOUGH = 240;
    /** What lives is known only after a full collection: once in so many samples. */
    private static final int PER_COLLECTION = 20;
    /** Each generation's line of {@code jcmd GC.heap_info}, "tenured generation   total 174784K, used 41210K [0x…". */
    private static final Pattern GENERATION = Pattern.compile("generation +total \\d+K, used (\\d+)K");

    private final List<Long> megabytes = new ArrayList<>();
    private final List<Long> megabytesAlive = new ArrayList<>();
    private final List<Long> threads = new ArrayList<>();
    private final List<Long> connections = new ArrayList<>();

    /** Takes one sample; without connections while Postgres is away, without threads where there is no /proc. */
    void take(TwoSides sides) throws IOException, InterruptedException, SQLException {
        long pid = sides.application().pid();
        megabytes.add(residentKilobytes(pid) / 1024);
        if (megabytes.size() % PER_COLLECTION == 0) {
            megabytesAlive.add(aliveKilobytes(pid) / 1024);
        }
        var tasks = Path.of("/proc", Long.toString(pid), "task");
        if (Files.isDirectory(tasks)) {
            try (var all = Files.list(tasks)) {
                threads.add(all.count());
            }
        }
        try {
            connections.add(sides.connections());
        } catch (SQLException e) {
            if (!TwoSides.isAway(e)) {
                throw e;
            }
        }
    }

    private static long residentKilobytes(long pid) throws IOException, InterruptedException {
        return Long.parseLong(said("ps", "-o", "rss=", "-p", Long.toString(pid)).strip());
    }

    /** What the heap holds after a full collection. */
    private static long aliveKilobytes(long pid) throws IOException, InterruptedException {
        var jcmd = Path.of(System.getProperty("java.home"), "bin", "jcmd").toString();
        said(jcmd, Long.toString(pid), "GC.run");
        var heap = said(jcmd, Long.toString(pid), "GC.heap_info");
        long alive = GENERATION.matcher(heap).results().mapToLong(used -> Long.parseLong(used.group(1))).sum();
        assertTrue(alive > 0, () -> "no generation in what jcmd said: " + heap);
        return alive;
    }

    private static String said(String... command) throws IOException, InterruptedException {
        var process = new ProcessBuilder(command).start();
        var said = new String(process.getInputStream().readAllBytes(), StandardCharsets.US_ASCII);
        process.waitFor();
        return said;
    }

    /** Checks that none of them grows: compares the medians of the first and the last quarter. */
    void assertSteady() {
        if (megabytes.size() >= ENOUGH) {
            assertGrowsByLessThan(0.15, "MB of memory", megabytes);
            assertGrowsByLessThan(0.3, "MB alive in the heap", megabytesAlive);
            assertGrowsByLessThan(0.15, "threads", threads);
            assertGrowsByLessThan(0.3, "connections", connections);
        }
    }

    private static void assertGrowsByLessThan(double part, String what, List<Long> samples) {
        assertTrue(last(samples) <= first(samples) * (1 + part), () -> what + " in the first quarter: " + first(samples) + ", in the last: " + last(samples));
    }

    /** Tells the medians of the first and the last quarter. */
    void tell(BiConsumer<String, Object> each) {
        each.accept("MB of memory, first and last quarter", first(megabytes) + ", " + last(megabytes));
        each.accept("MB alive in its heap", first(megabytesAlive) + ", " + last(megabytesAlive));
        each.accept("threads", first(threads) + ", " + last(threads));
        each.accept("connections to Postgres", first(connections) + ", " + last(connections));
    }

    private static long first(List<Long> samples) {
        return median(samples.subList(0, (samples.size() + 3) / 4));
    }

    private static long last(List<Long> samples) {
        return median(samples.subList(samples.size() * 3 / 4, samples.size()));
    }

    private static long median(List<Long> samples) {
        return samples.isEmpty() ? 0 : samples.stream().sorted().skip(samples.size() / 2).findFirst().orElseThrow();
    }
}
