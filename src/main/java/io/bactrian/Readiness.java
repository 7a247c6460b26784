package io.bactrian;

import io.vertx.ext.web.RoutingContext;
import java.util.Map;
import org.apache.camel.component.platform.http.vertx.VertxPlatformHttpRouter;
import org.apache.camel.health.HealthCheckResultBuilder;
import org.apache.camel.impl.health.AbstractHealthCheck;

/**
 * Whether Bactrian can do its work, and why not. Until it can, {@code /observe/health} and {@code /observe/health/ready} are DOWN with the
 * reason, and public HTTP answers 503, so that senders of webhooks try again. {@code /observe/health/live} is UP all the time: a restart
 * would not help.
 */
final class Readiness extends AbstractHealthCheck {

    private static final String STARTING = "starting";

    private volatile String whyNot = STARTING;

    Readiness() {
        super("bactrian", "ready");
    }

    /** From now on the work is done. */
    void ready() {
        whyNot = null;
    }

    /** From now on the work is not done, for that reason. */
    void notReady(String reason) {
        whyNot = reason;
    }

    /** Puts itself before all routes of that server. */
    void guard(VertxPlatformHttpRouter router) {
        router.route().order(Integer.MIN_VALUE + 1).handler(this::letPassWhenReady);
    }

    private void letPassWhenReady(RoutingContext request) {
        if (whyNot == null) {
            request.next();
        } else {
            request.response().setStatusCode(503).putHeader("Retry-After", "5").putHeader("Content-Type", "text/plain")
                    .end("Bactrian is not ready\n");
        }
    }

    @Override
    protected void doCall(HealthCheckResultBuilder builder, Map<String, Object> options) {
        var reason = whyNot;
        if (reason == null || options.get(CHECK_KIND) == Kind.LIVENESS) {
            builder.up();
        } else {
            builder.message(reason).down();
        }
    }
}
