package io.bactrian.sandbox.mail;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.vertx.core.Vertx;
import io.vertx.core.VertxOptions;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.file.FileSystemOptions;
import io.vertx.core.http.HttpServerOptions;
import io.vertx.core.http.HttpServerRequest;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.ConcurrentLinkedDeque;
import java.util.concurrent.ExecutionException;

/**
 * Takes messages as SendGrid's API does ({@code POST /v3/mail/send}, <a href="https://www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send">
 * documented there</a>), and shows them in a page at {@code /} instead of sending them. Keeps them in memory. For loopback: there is no
 * authentication but the API key.
 */
public final class MailCatcher implements AutoCloseable {

    private static final String HOST = "127.0.0.1";
    private static final int SHOWN = 200;
    private static final ObjectMapper JSON = new ObjectMapper();

    private record Asset(String type, Buffer content) {
        static Asset of(String type, String path) {
            try (var in = MailCatcher.class.getResourceAsStream(path)) {
                return new Asset(type, Buffer.buffer(in.readAllBytes()));
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
    }

    private final Map<String, Asset> assets = Map.of(
            "/", Asset.of("text/html; charset=utf-8", "/mail-catcher/index.html"),
            "/page.css", Asset.of("text/css; charset=utf-8", "/mail-catcher/page.css"),
            "/page.js", Asset.of("text/javascript; charset=utf-8", "/mail-catcher/page.js"),
            "/icon.svg", Asset.of("image/svg+xml", "/stripe-simulator/icon.svg"));
    private final Vertx vertx = Vertx.vertx(new VertxOptions().setEventLoopPoolSize(1)
            .setFileSystemOptions(new FileSystemOptions().setFileCachingEnabled(false).setClassPathResolvingEnabled(false)));
    private final List<Mail> mails = Collections.synchronizedList(new ArrayList<>());
    private final Deque<Integer> refusals = new ConcurrentLinkedDeque<>();
    private final String apiKey;
    private final URI baseUrl;

    private MailCatcher(int port, String apiKey) throws IOException {
        this.apiKey = apiKey;
        var server = vertx.createHttpServer(new HttpServerOptions().setHost(HOST).setPort(port).setHttp2ClearTextEnabled(false));
        server.requestHandler(request -> request.body().onSuccess(body -> handle(request, body)));
        try {
            baseUrl = URI.create("http://" + HOST + ":" + server.listen().toCompletionStage().toCompletableFuture().get().actualPort());
        } catch (ExecutionException | InterruptedException e) {
            vertx.close();
            throw new IOException("The mail catcher cannot listen on " + HOST + ":" + port + ": " + e.getCause(), e);
        }
    }

    /** Starts one; port 0 takes a free one. */
    public static MailCatcher start(int port, String apiKey) throws IOException {
        return new MailCatcher(port, apiKey);
    }

    /** Where it listens, without a trailing slash. */
    public URI baseUrl() {
        return baseUrl;
    }

    /** What came so far, oldest first. */
    public List<Mail> mails() {
        synchronized (mails) {
            return List.copyOf(mails);
        }
    }

    /** The next calls are answered with these statuses. A 429 asks to wait for a second. */
    public void refuseNext(Integer... statuses) {
        refusals.addAll(List.of(statuses));
    }

    private void handle(HttpServerRequest request, Buffer body) {
        var route = request.method().name() + " " + request.path();
        if (route.equals("POST /v3/mail/send")) {
            send(request, body);
        } else if (route.equals("GET /mails")) {
            list(request);
        } else if (request.method().name().equals("GET") && assets.containsKey(request.path())) {
            var asset = assets.get(request.path());
            // The frame of a message has no scripts and no origin; what it links to is not loaded.
            request.response().putHeader("Content-Type", asset.type()).putHeader("Cache-Control", "no-cache").putHeader("X-Content-Type-Options", "nosniff")
                    .putHeader("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
                            + "connect-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'none'")
                    .end(asset.content());
        } else {
            error(request, 404, "not found", null);
        }
    }

    private void send(HttpServerRequest request, Buffer body) {
        var refusal = refusals.poll();
        if (refusal != null) {
            if (refusal == 429) {
                request.response().putHeader("Retry-After", "1");
            }
            error(request, refusal, refusal == 429 ? "too many requests" : "the mail catcher was told to say so", null);
        } else if (!("Bearer " + apiKey).equals(request.getHeader("Authorization"))) {
            error(request, 401, "The provided authorization grant is invalid, expired, or revoked", null);
        } else {
            accept(request, body);
        }
    }

    private void accept(HttpServerRequest request, Buffer body) {
        JsonNode json;
        try {
            json = JSON.readTree(body.getBytes());
        } catch (IOException e) {
            error(request, 400, "Bad Request", null);
            return;
        }
        for (var field : List.of("personalizations.0.to.0.email", "from.email")) {
            if (!json.at("/" + field.replace('.', '/')).asText().matches("[^\\s@<>,]+@[^\\s@<>,]+")) {
                error(request, 400, "Does not contain a valid address.", field);
                return;
            }
        }
        for (var field : List.of("subject", "content.0.value")) {
            if (json.at("/" + field.replace('.', '/')).asText().isEmpty()) {
                error(request, 400, "The " + field + " is required", field);
                return;
            }
        }
        var mail = Mail.of(UUID.randomUUID().toString(), json);
        mails.add(mail);
        request.response().setStatusCode(202).putHeader("X-Message-Id", mail.id()).end();
    }

    private void list(HttpServerRequest request) {
        var newest = new ArrayDeque<Map<String, Object>>();
        var all = mails();
        all.subList(Math.max(0, all.size() - SHOWN), all.size()).forEach(mail -> newest.addFirst(Map.of("id", mail.id(), "at", mail.at().toEpochMilli(),
                "from", mail.from(), "to", mail.to(), "replyTo", mail.replyTo(), "subject", mail.subject(), "text", mail.text(), "html", mail.html())));
        answer(request, Map.of("count", all.size(), "mails", newest));
    }

    /** As SendGrid does: {@code {"errors": [{"message": …, "field": …, "help": null}]}}. */
    private static void error(HttpServerRequest request, int status, String message, String field) {
        request.response().setStatusCode(status);
        var errors = JSON.createObjectNode();
        errors.putArray("errors").addObject().put("message", message).put("field", field).putNull("help");
        answer(request, errors);
    }

    private static void answer(HttpServerRequest request, Object json) {
        try {
            request.response().putHeader("Content-Type", "application/json").end(Buffer.buffer(JSON.writeValueAsBytes(json)));
        } catch (JsonProcessingException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Override
    public void close() {
        vertx.close().toCompletionStage().toCompletableFuture().join();
    }
}
