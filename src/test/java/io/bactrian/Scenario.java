package io.bactrian;

import java.time.Duration;

/** Something that must be survived: see {@link Scenarios}. */
interface Scenario {

    /**
     * Lets it happen, and tells what was measured.
     *
     * @param sides without an application so far
     * @param duration how long it lasts, where that can be chosen
     * @param seed where there is chance in it
     * @throws AssertionError when it was not survived
     */
    void run(TwoSides sides, Duration duration, long seed, Report report) throws Exception;
}
