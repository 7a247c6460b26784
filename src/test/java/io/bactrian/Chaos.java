package io.bactrian;

import static org.junit.jupiter.api.Assertions.assertFalse;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.time.LocalTime;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.function.Consumer;

/**
 * People edit 200 customers on both sides, at random, while everything between them fails at random: see {@link Weather}. In the first half
 * of the time the application is killed again and again; in the second half one and the same process has to survive, and to stay as large
 * as it is. In the end, with the weather calm, both sides must be equal, and nothing may be lost, doubled or back.
 *
 * <p>{@code mvn -Pchaos -Dchaos.duration=30m -Dchaos.seed=7} runs it at length and prints what was survived. One seed gives one course of
 * events, as far as processes and threads can be repeated.
 */
public final class Chaos {

    private static final int CUSTOMERS = 200;
    private static final int EDITORS = 3;
    private static final Duration PAUSE = Duration.ofMillis(200);
    private static final int KILLS = 20;

    private final long seed;
    private final Duration half;
    private final Consumer<String> progress;
    private final List<String> survived = new ArrayList<>();
    private final Vitals vitals = new Vitals();
    private int kills;
    private int killsAtStart;
    private int startsGivenUp;

    private Chaos(Duration duration, long seed, Consumer<String> progress) {
        this.half = duration.dividedBy(2);
        this.seed = seed;
        this.progress = progress;
    }

    /** Reads {@code chaos.duration} (90s, 30m, 2h) and {@code chaos.seed}; ends with 0 when every check held, else with 1. */
    public static void main(String[] args) {
        var duration = Duration.parse("PT" + System.getProperty("chaos.duration"));
        long seed = System.getProperty("chaos.seed", "").isEmpty() ? new Random().nextInt(1_000_000) : Long.getLong("chaos.seed");
        System.out.println("chaos.seed=" + seed + ", chaos.duration=" + System.getProperty("chaos.duration"));
        try {
            var survived = survive(duration, seed, step -> System.out.println(DateTimeFormatter.ofPattern("HH:mm:ss ").format(LocalTime.now()) + step));
            System.out.println("\n| | seed " + seed + " |\n|---|---:|\n" + String.join("\n", survived));
        } catch (Throwable e) {
            e.printStackTrace();
            System.exit(1);
        }
        System.exit(0);
    }

    /**
     * Lets it happen, at least for so long, and until there have been 20 kills.
     *
     * @param progress is told what happens next
     * @return what was survived, the rows of a table
     * @throws AssertionError when something was not; what there is to know about it is in target/chaos
     */
    static List<String> survive(Duration duration, long seed, Consumer<String> progress) throws Exception {
        return new Chaos(duration, seed, progress).run();
    }

    private List<String> run() throws Exception {
        try (var sides = new TwoSides(); var editors = new Editors(sides, seed, CUSTOMERS, EDITORS, PAUSE)) {
            try {
                run(sides, editors);
            } catch (Throwable e) {
                var evidence = Path.of("target/chaos/" + seed);
                try {
                    sides.keepEvidence(evidence);
                } catch (Exception alsoFailed) {
                    e.addSuppressed(alsoFailed);
                }
                throw new AssertionError("-Dchaos.seed=" + seed + ", see " + evidence, e);
            }
        }
        return survived;
    }

    private void run(TwoSides sides, Editors editors) throws Exception {
        var random = new Random(seed);
        editors.populate(random);
        sides.startApplication();
        sides.awaitReady();
        sides.awaitFirstPoll();
        editors.edit(Integer.MAX_VALUE);
        try (var weather = new Weather(sides, random.nextLong())) {
            progress.accept("killing the application, again and again");
            sides.kill();
            kills++;
            killAgainAndAgain(sides, random);
            progress.accept("one application has to live on");
            start(sides);
            assertGoesOnFor(half, sides);
            progress.accept("calm: waiting until all is quiet, then comparing both sides");
            weather.calm();
            editors.close();
            sides.assertEqualAndQuiet(editors);
            progress.accept("survived");
            tell("kill -9", kills);
            tell("… of these while it started", killsAtStart);
            tell("starts given up, because a server went away", startsGivenUp);
            weather.tell(this::tell);
        }
        tell("edits, on both sides", editors.updates());
        tell("creates", editors.creates());
        tell("deletes", editors.deletes());
        tell("transactions that Postgres cut off", editors.cutOff());
        tell("… of these committed", editors.cutOffCommitted());
        tell("conflicts on record", sides.count("sync.conflict"));
        vitals.tell(this::tell);
    }

    private void killAgainAndAgain(TwoSides sides, Random random) throws Exception {
        for (long begin = System.nanoTime(); kills < KILLS || System.nanoTime() - begin < half.toNanos(); kills++) {
            if (random.nextInt(3) == 0) {
                killsAtStart++;
                sides.startApplication();
                sides.application().endsWithin(Duration.ofMillis(random.nextInt(4000)));
            } else {
                start(sides);
                assertGoesOn(Duration.ofMillis(random.nextInt(3000)), sides);
            }
            sides.kill();
        }
    }

    /** Starts the application, as whatever supervises it does: again, when a server that it had waited for went away while it started. */
    private void start(TwoSides sides) throws IOException {
        for (sides.startApplication(); !sides.becomesReady(); sides.startApplication()) {
            startsGivenUp++;
        }
    }

    private static void assertGoesOn(Duration time, TwoSides sides) throws InterruptedException {
        assertFalse(sides.application().endsWithin(time), () -> "it ended: " + sides.application().errors());
    }

    private void assertGoesOnFor(Duration time, TwoSides sides) throws Exception {
        for (long begin = System.nanoTime(); System.nanoTime() - begin < time.toNanos();) {
            assertGoesOn(Duration.ofSeconds(1), sides);
            vitals.take(sides);
        }
        vitals.assertSteady();
    }

    private void tell(String what, Object howMuch) {
        survived.add("| " + what + " | " + (howMuch instanceof Number number ? String.format("%,d", number.longValue()) : howMuch) + " |");
    }
}
