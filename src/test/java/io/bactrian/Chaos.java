package io.bactrian;

import static org.junit.jupiter.api.Assertions.assertFalse;

import java.time.Duration;
import java.util.Random;

/**
 * People edit 200 customers on both sides, at random, and write invoices, while everything between them fails at random: see {@link Weather}. In the first half
 * of the time the application is killed again and again; in the second half one and the same process has to survive, and to stay as large
 * as it is. In the end, with the weather calm, both sides must be equal, and nothing may be lost, doubled or back.
 *
 * <p>One seed gives one course of events, as far as processes and threads can be repeated.
 */
final class Chaos implements Scenario {

    private static final int CUSTOMERS = 200;
    private static final int EDITORS = 2;
    private static final int BILLING_EDITORS = 1;
    private static final Duration PAUSE = Duration.ofMillis(400);
    private static final int KILLS = 8;

    private final Vitals vitals = new Vitals();
    private int kills;
    private int killsAtStart;
    private int startsGivenUp;

    /** Lets it happen, at least for so long, and until there have been a few kills. */
    @Override
    public void run(TwoSides sides, Duration duration, long seed, Report report) throws Exception {
        try (var editors = new Editors(sides, seed, CUSTOMERS, EDITORS, PAUSE);
                var billing = new BillingEditors(sides, seed, BILLING_EDITORS, PAUSE)) {
            run(sides, editors, billing, duration.dividedBy(2), seed, report);
        }
    }

    private void run(TwoSides sides, Editors editors, BillingEditors billing, Duration half, long seed, Report report) throws Exception {
        var random = new Random(seed);
        editors.populate(random);
        billing.populate();
        sides.startApplication();
        sides.awaitReady();
        sides.awaitFirstContact();
        editors.edit(Integer.MAX_VALUE);
        billing.edit(Integer.MAX_VALUE, Integer.MAX_VALUE);
        try (var weather = new Weather(sides, random.nextLong())) {
            report.step("killing the application, again and again");
            sides.kill();
            kills++;
            killAgainAndAgain(sides, half, random);
            report.step("one application has to live on");
            startsGivenUp += sides.startApplicationUntilReady();
            assertGoesOnFor(half, sides);
            report.step("calm: waiting until all is quiet, then comparing both sides");
            weather.calm();
            editors.close();
            billing.stopEditing();
            sides.assertEqualAndQuiet(editors);
            report.tell("kill -9", kills);
            report.tell("… of these while it started", killsAtStart);
            report.tell("starts given up, because a server went away", startsGivenUp);
            weather.tell(report::tell);
        }
        report.tell("edits, on both sides", editors.updates());
        report.tell("creates", editors.creates());
        report.tell("deletes", editors.deletes());
        report.tell("transactions that Postgres cut off", editors.cutOff());
        report.tell("… of these committed", editors.cutOffCommitted());
        billing.tell(report::tell);
        report.tell("conflicts on record", sides.count("sync.conflict"));
        vitals.tell(report::tell);
    }

    private void killAgainAndAgain(TwoSides sides, Duration half, Random random) throws Exception {
        for (long begin = System.nanoTime(); kills < KILLS || System.nanoTime() - begin < half.toNanos(); kills++) {
            if (random.nextInt(3) == 0) {
                killsAtStart++;
                sides.startApplication();
                sides.application().endsWithin(Duration.ofMillis(random.nextInt(4000)));
            } else {
                startsGivenUp += sides.startApplicationUntilReady();
                // Most die young; some long enough to have all their partitions, and to write.
                assertGoesOn(Duration.ofMillis(random.nextInt(random.nextInt(4) == 0 ? 20_000 : 3000)), sides);
            }
            sides.kill();
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
}
