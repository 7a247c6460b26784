package io.bactrian;

import java.time.Duration;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** {@code -Dseed=} repeats a run, as far as threads can be repeated. */
class RandomTwoSidedEditsTest {

    @Test
    void ends_equal_with_at_most_one_write_for_each_change_and_nothing_lost() throws Exception {
        long seed = Long.getLong("seed", new Random().nextLong());
        try (var sides = new TwoSides(); var editors = new Editors(sides, seed, 40, 3, Duration.ofMillis(30))) {
            try {
                sides.startApplication();
                sides.awaitReady();
                sides.startFaults(seed);
                editors.edit(200);
                editors.awaitEnd();
                sides.assertEqualAndQuiet(editors);
            } catch (Throwable e) {
                throw new AssertionError("-Dseed=" + seed, e);
            }
        }
    }
}
