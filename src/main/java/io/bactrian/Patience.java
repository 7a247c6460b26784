package io.bactrian;

import java.time.Duration;
import java.util.Optional;
import java.util.function.BooleanSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Waits for a server that is not there yet: asks often, and says every few seconds what it waits for. */
final class Patience {

    private static final Logger LOG = LoggerFactory.getLogger(Patience.class);
    private static final Duration PAUSE = Duration.ofMillis(500);
    private static final Duration BETWEEN_LINES = Duration.ofSeconds(5);

    private final Readiness readiness;
    private final BooleanSupplier stopped;

    /**
     * @param readiness is told what is waited for
     * @param stopped whether the process was told to end meanwhile
     */
    Patience(Readiness readiness, BooleanSupplier stopped) {
        this.readiness = readiness;
        this.stopped = stopped;
    }

    /** One try. */
    interface Attempt {

        /** @return nothing when it succeeded, else why it did not, for a person to read */
        Optional<String> whyNot();
    }

    /**
     * Tries until it succeeds.
     *
     * @param what the server and the setting that names it
     * @return false when the process was told to end meanwhile
     */
    boolean waitFor(String what, Attempt attempt) throws InterruptedException {
        long nextLine = System.nanoTime();
        while (!stopped.getAsBoolean()) {
            var reason = attempt.whyNot();
            if (reason.isEmpty()) {
                return true;
            }
            var line = "waiting for " + what + ": " + reason.get();
            readiness.notReady(line);
            if (System.nanoTime() - nextLine >= 0) {
                LOG.warn("{}", line);
                nextLine = System.nanoTime() + BETWEEN_LINES.toNanos();
            }
            Thread.sleep(PAUSE.toMillis());
        }
        return false;
    }
}
