package io.bactrian;

import java.time.Duration;
import org.junit.jupiter.api.Test;

/** {@code -Dseed=} takes another course, as far as threads let it be chosen; {@code mvn -Pchaos} takes one at random. */
class ChaosTest {

    @Test
    void loses_doubles_and_brings_back_nothing_whatever_is_killed_or_fails() throws Exception {
        Scenarios.run(new Chaos(), Duration.ofSeconds(20), Long.getLong("seed", 10), new Report(step -> { }));
    }
}
