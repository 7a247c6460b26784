package io.bactrian;

import static org.junit.jupiter.api.Assertions.assertFalse;

import java.time.Duration;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** {@code -Dseed=} repeats a run, as far as threads can be repeated. */
class KillNineTest {

    private static final int KILLS = Integer.getInteger("kills", 20);

    @Test
    void loses_doubles_and_brings_back_nothing_when_it_is_killed_under_load_on_both_sides() throws Exception {
        long seed = Long.getLong("seed", new Random().nextLong());
        var random = new Random(seed);
        try (var sides = new TwoSides(); var editors = new Editors(sides, seed, 80, 3, Duration.ofMillis(100))) {
            try {
                sides.startFaults(seed);
                for (int i = 0; i < KILLS; i++) {
                    sides.startApplication();
                    editors.edit(20);
                    if (random.nextInt(4) == 0) {
                        assertGoesOnFor(random.nextInt(5000), sides);
                    } else {
                        sides.awaitReady();
                        editors.edit(120);
                        assertGoesOnFor(random.nextInt(4000), sides);
                    }
                    sides.kill();
                }
                sides.startApplication();
                sides.awaitReady();
                editors.close();
                sides.assertEqualAndQuiet(editors);
            } catch (Throwable e) {
                throw new AssertionError("-Dseed=" + seed, e);
            }
        }
    }

    private static void assertGoesOnFor(int milliseconds, TwoSides sides) throws InterruptedException {
        assertFalse(sides.application().endsWithin(Duration.ofMillis(milliseconds)), () -> "it ended: " + sides.application().errors());
    }
}
