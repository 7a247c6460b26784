package io.bactrian.sandbox.stripe;

import io.vertx.core.Vertx;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.HttpServerRequest;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.Map;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Everything that the simulator's port serves: {@code /v1/…}, {@code /simulator/…} and the page at {@code /}. */
final class Site {

    private static final Logger LOG = LoggerFactory.getLogger(Site.class);

    private record Asset(String type, Buffer content) {
        static Asset of(String type, String name) {
            try (var in = Site.class.getResourceAsStream("/stripe-simulator/" + name)) {
                return new Asset(type, Buffer.buffer(in.readAllBytes()));
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
    }

    private final Vertx vertx;
    private final ApiServer api;
    private final Control control;
    private final Map<String, Asset> assets = Map.of(
            "/", Asset.of("text/html; charset=utf-8", "index.html"),
            "/page.css", Asset.of("text/css; charset=utf-8", "page.css"),
            "/billing.js", Asset.of("text/javascript; charset=utf-8", "billing.js"),
            "/page.js", Asset.of("text/javascript; charset=utf-8", "page.js"),
            "/icon.svg", Asset.of("image/svg+xml", "icon.svg"));

    Site(Vertx vertx, ApiServer api, Control control) {
        this.vertx = vertx;
        this.api = api;
        this.control = control;
    }

    void handle(HttpServerRequest request) {
        var path = request.path();
        if (path.startsWith("/simulator/")) {
            request.body().onSuccess(body -> control(request, body));
        } else if (assets.containsKey(path) && request.method().name().equals("GET")) {
            asset(request, assets.get(path));
        } else {
            request.body().onSuccess(body -> api.handle(request, body));
        }
    }

    private static void asset(HttpServerRequest request, Asset asset) {
        request.response()
                .putHeader("Content-Type", asset.type())
                .putHeader("Cache-Control", "no-cache")
                .putHeader("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'")
                .putHeader("X-Content-Type-Options", "nosniff")
                .end(asset.content());
    }

    /** Off the event loop, so that a long search does not hold up the API. */
    private void control(HttpServerRequest request, Buffer body) {
        vertx.executeBlocking(() -> {
            // Another site's page cannot send this type without asking first, and is never told yes.
            var type = request.getHeader("Content-Type");
            if (request.method().name().equals("POST") && (type == null || !type.startsWith("application/json"))) {
                throw new Control.Refused(415, "Send application/json", null);
            }
            var query = request.query() == null ? Map.<String, Object>of() : Form.decode(request.query());
            return Buffer.buffer(Json.bytes(control.call(request.method().name(), request.path(), query, body.getBytes())));
        }, false).onComplete(done -> {
            var response = request.response().putHeader("Content-Type", "application/json");
            if (done.succeeded()) {
                response.end(done.result());
            } else {
                refuse(request, done.cause());
            }
        });
    }

    private static void refuse(HttpServerRequest request, Throwable cause) {
        var body = Json.MAPPER.createObjectNode();
        var response = request.response();
        if (cause instanceof Control.Refused refused) {
            response.setStatusCode(refused.status);
            body.put("error", refused.getMessage()).put("param", refused.param);
        } else if (cause instanceof ApiError error) {
            response.setStatusCode(error.status);
            body.put("error", error.getMessage());
        } else {
            LOG.error("The Stripe simulator failed at {} {}", request.method(), request.path(), cause);
            response.setStatusCode(500);
            body.put("error", "The simulator failed: " + cause);
        }
        response.end(Buffer.buffer(Json.bytes(body)));
    }
}
