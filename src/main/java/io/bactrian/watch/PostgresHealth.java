package io.bactrian.watch;

import java.time.Duration;
import java.util.Map;
import org.apache.camel.health.HealthCheckResultBuilder;
import org.apache.camel.impl.health.AbstractHealthCheck;

/**
 * Whether Postgres answers, as far as the last look into it tells: {@code bactrian-postgres}, a part of readiness. It is none of liveness: a
 * restart would not help.
 */
final class PostgresHealth extends AbstractHealthCheck {

    /** Longer than a look may take that still succeeds. */
    private static final Duration SILENCE = Duration.ofSeconds(20);

    private volatile long lastAnswer;
    private volatile String whyNot;

    PostgresHealth() {
        super("bactrian", "bactrian-postgres");
    }

    void answered() {
        lastAnswer = System.nanoTime();
        whyNot = null;
    }

    void failed(Exception exception) {
        whyNot = Causes.root(exception);
    }

    @Override
    public boolean isLiveness() {
        return false;
    }

    @Override
    protected void doCall(HealthCheckResultBuilder builder, Map<String, Object> options) {
        var reason = whyNot;
        long silence = lastAnswer == 0 ? 0 : System.nanoTime() - lastAnswer;
        if (reason == null && silence > SILENCE.toNanos()) {
            reason = "no answer for " + Duration.ofNanos(silence).toSeconds() + " seconds";
        }
        if (reason == null) {
            builder.up();
        } else {
            builder.message("Postgres (postgres.url) does not answer: " + reason).down();
        }
    }
}
