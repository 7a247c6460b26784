package io.bactrian;

import java.sql.SQLException;
import java.time.Duration;
import java.util.Random;

/**
 * The application is down while people edit both sides as much as in an hour, and the webhooks of that time are lost. Started again, it must
 * catch up in both directions, with no help.
 */
final class Downtime implements Scenario {

    private static final int CUSTOMERS = 500;
    private static final int EDITORS = 3;
    private static final int EDITS = 3_000;

    @Override
    public void run(TwoSides sides, Duration duration, long seed, Report report) throws Exception {
        try (var editors = new Editors(sides, seed, CUSTOMERS, EDITORS, Duration.ofMillis(1))) {
            run(sides, editors, new Random(seed), report);
        }
    }

    private static void run(TwoSides sides, Editors editors, Random random, Report report) throws Exception {
        editors.populate(random);
        sides.startApplication();
        sides.awaitReady();
        sides.awaitFirstContact();
        sides.awaitEqual();
        sides.kill();
        sides.webhooks(false);
        long events = heard(sides);
        long writes = sides.writes();
        long updates = editors.updates();
        long deletes = editors.deletes();
        long creates = editors.creates();

        report.step("down, while there are %,d edits on each side".formatted(EDITS));
        editors.edit(EDITS);
        editors.awaitEnd();
        sides.webhooks(true);
        long waiting = sides.count("sync.outbox");

        report.step("up again");
        long begin = System.nanoTime();
        sides.startApplication();
        sides.awaitReady();
        double ready = secondsSince(begin);
        sides.awaitEqual();
        double equal = secondsSince(begin);
        long caughtUp = sides.writes() - writes;
        long missed = heard(sides) - events;
        sides.assertEqualAndQuiet(editors);

        report.tell("edits, on both sides, while it was down", editors.updates() - updates);
        report.tell("creates, deletes", "%,d, %,d".formatted(editors.creates() - creates, editors.deletes() - deletes));
        report.tell("changes that waited in Postgres", waiting);
        report.tell("events of Stripe that were read", missed);
        report.tell("writes to Stripe, to catch up", caughtUp);
        report.tell("seconds from its start until it was ready", ready);
        report.tell("seconds from its start until both sides were equal", equal);
        report.tell("conflicts on record", sides.count("sync.conflict"));
    }

    /** How many events of Stripe there are in the ledger, besides echoes. */
    private static long heard(TwoSides sides) throws SQLException {
        return sides.count("sync.event where outcome <> 'echo'");
    }

    private static double secondsSince(long begin) {
        return (System.nanoTime() - begin) / 1e9;
    }
}
