package io.bactrian;

import java.time.Duration;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** {@code -Dseed=} repeats a run, as far as threads can be repeated. */
class ChaosTest {

    @Test
    void loses_doubles_and_brings_back_nothing_whatever_is_killed_or_fails() throws Exception {
        Chaos.survive(Duration.ofSeconds(40), Long.getLong("seed", new Random().nextInt(1_000_000)), step -> { });
    }
}
