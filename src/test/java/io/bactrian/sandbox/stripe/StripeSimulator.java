package io.bactrian.sandbox.stripe;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.vertx.core.Vertx;
import io.vertx.core.VertxOptions;
import io.vertx.core.file.FileSystemOptions;
import io.vertx.core.http.HttpServer;
import io.vertx.core.http.HttpServerOptions;
import java.io.IOException;
import java.net.BindException;
import java.net.URI;
import java.nio.file.Path;
import java.time.Clock;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;

/**
 * A Stripe account on this machine, for tests and the sandbox: the API that the routes use, signed webhooks, faults on demand, and a small
 * dashboard at {@code /}. Plain HTTP, no authentication but the API key: keep it on loopback.
 */
public final class StripeSimulator implements AutoCloseable {

    private static final int CALLS_KEPT = 200_000;

    /**
     * @param host the address to listen on
     * @param port 0 takes a free one
     * @param stateDir where the state is kept, or null to keep it in memory only
     * @param apiKey the one secret key that the API takes
     * @param webhookSecret signs webhooks; several, comma-separated, sign each
     * @param webhookUrl where webhooks go, or null for nowhere
     * @param webhookConcurrency how many webhooks may be under way at once
     * @param accountId the account's id, {@code acct_…}
     * @param apiVersion the account's default API version, in which its events are spelled: ours, or 2024-06-20
     */
    public record Options(String host, int port, Path stateDir, String apiKey, String webhookSecret, String webhookUrl, int webhookConcurrency, String accountId,
            String apiVersion) {

        /** With 16 webhooks under way at once. */
        public Options(String host, int port, Path stateDir, String apiKey, String webhookSecret, String webhookUrl) {
            this(host, port, stateDir, apiKey, webhookSecret, webhookUrl, 16, "acct_simulator", Events.API_VERSION);
        }

        /** Loopback, a free port, memory only, the sandbox's key and secret, no webhooks. */
        public static Options inMemory() {
            return new Options("127.0.0.1", 0, null, "sk_test_sandbox", "whsec_sandbox", null);
        }

        public Options withHost(String host) {
            return new Options(host, port, stateDir, apiKey, webhookSecret, webhookUrl, webhookConcurrency, accountId, apiVersion);
        }

        public Options withPort(int port) {
            return new Options(host, port, stateDir, apiKey, webhookSecret, webhookUrl, webhookConcurrency, accountId, apiVersion);
        }

        public Options withStateDir(Path stateDir) {
            return new Options(host, port, stateDir, apiKey, webhookSecret, webhookUrl, webhookConcurrency, accountId, apiVersion);
        }

        public Options withApiKey(String apiKey) {
            return new Options(host, port, stateDir, apiKey, webhookSecret, webhookUrl, webhookConcurrency, accountId, apiVersion);
        }

        public Options withWebhookSecret(String webhookSecret) {
            return new Options(host, port, stateDir, apiKey, webhookSecret, webhookUrl, webhookConcurrency, accountId, apiVersion);
        }

        public Options withWebhookUrl(String webhookUrl) {
            return new Options(host, port, stateDir, apiKey, webhookSecret, webhookUrl, webhookConcurrency, accountId, apiVersion);
        }

        public Options withAccountId(String accountId) {
            return new Options(host, port, stateDir, apiKey, webhookSecret, webhookUrl, webhookConcurrency, accountId, apiVersion);
        }

        public Options withApiVersion(String apiVersion) {
            return new Options(host, port, stateDir, apiKey, webhookSecret, webhookUrl, webhookConcurrency, accountId, apiVersion);
        }

        public Options withWebhookConcurrency(int webhookConcurrency) {
            return new Options(host, port, stateDir, apiKey, webhookSecret, webhookUrl, webhookConcurrency, accountId, apiVersion);
        }
    }

    private final Options options;
    private final Vertx vertx;
    private final Account account;
    private final Faults faults = new Faults();
    private final CallLog calls = new CallLog(CALLS_KEPT);
    private final Webhooks webhooks;
    private final Dashboard dashboard;
    private final Access access;
    private final Emitter emitter;
    private final URI baseUrl;

    private StripeSimulator(Options options, Account account, Vertx vertx) throws IOException {
        this.options = options;
        this.account = account;
        this.vertx = vertx;
        account.id(options.accountId());
        account.apiVersion(options.apiVersion());
        access = new Access(new ApiKey(options.apiKey()));
        emitter = new Emitter(account);
        webhookUrl(options.webhookUrl());
        webhooks = new Webhooks(vertx, account, faults, options.webhookConcurrency());
        dashboard = new Dashboard(account, new StripeApi(account));
        var api = new ApiServer(vertx, account, faults, calls, access);
        var site = new Site(vertx, api, new Control(this, account, webhooks, calls));
        baseUrl = URI.create("http://" + options.host() + ":" + listen(site).actualPort());
        account.deliverBy(webhooks);
    }

    /**
     * Starts a simulator, with what {@code stateDir} holds.
     *
     * @throws IOException when the port is taken, or the state cannot be read or is in use; the message says which
     */
    public static StripeSimulator start(Options options) throws IOException {
        return start(options, Clock.systemUTC());
    }

    static StripeSimulator start(Options options, Clock clock) throws IOException {
        var account = open(options.stateDir(), clock);
        var vertx = Vertx.vertx(new VertxOptions().setEventLoopPoolSize(2)
                .setFileSystemOptions(new FileSystemOptions().setFileCachingEnabled(false).setClassPathResolvingEnabled(false)));
        try {
            return new StripeSimulator(options, account, vertx);
        } catch (IOException | RuntimeException e) {
            vertx.close();
            account.close();
            throw e;
        }
    }

    private static Account open(Path stateDir, Clock clock) throws IOException {
        if (stateDir == null) {
            return new Account(null, clock);
        }
        var journal = Journal.open(stateDir);
        try {
            return new Account(journal, clock);
        } catch (IOException | RuntimeException e) {
            journal.close();
            throw e;
        }
    }

    /** Where it listens, without a trailing slash. */
    public URI baseUrl() {
        return baseUrl;
    }

    /** What goes wrong on purpose. */
    public Faults faults() {
        return faults;
    }

    /** What the keys may do. */
    public Access access() {
        return access;
    }

    /** The API version in which events are spelled from now on: ours, or 2024-06-20. */
    public void apiVersion(String apiVersion) {
        account.apiVersion(apiVersion);
    }

    /** Sends an event that no call here causes, and returns it as it is sent: the fields are those of {@code POST /simulator/events}. */
    public ObjectNode emit(Map<String, ?> event) {
        return emitter.emit(Json.MAPPER.valueToTree(event));
    }

    ObjectNode emit(ObjectNode event) {
        return emitter.emit(event);
    }

    /** Edits as a person makes them. */
    public Dashboard dashboard() {
        return dashboard;
    }

    /** The requests that came in at {@code /v1/…}, oldest first: the newest 200,000 at most. */
    public List<ApiCall> apiCalls() {
        return calls.all();
    }

    /** Forgets the requests so far. */
    public void clearApiCalls() {
        calls.clear();
    }

    /** Whether no webhook is pending, scheduled or in flight. One that is being retried is pending. */
    public boolean webhooksIdle() {
        return webhooks.idle();
    }

    /** Changes where webhooks go, those that are pending included; null is nowhere, and gives the pending ones up. */
    public void webhookUrl(String url) {
        account.endpoints.builtIn(url, Arrays.stream(options.webhookSecret().split(",")).map(String::trim).toList());
    }

    /** Stops, at once: undelivered webhooks stay in the state directory. */
    @Override
    public void close() {
        await(webhooks.close());
        await(vertx.close());
        try {
            account.close();
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    private HttpServer listen(Site site) throws IOException {
        // No upgrade to HTTP/2: with the JDK's client, which asks for it, some answers never arrived.
        var server = vertx.createHttpServer(new HttpServerOptions().setHost(options.host()).setPort(options.port()).setMaxInitialLineLength(65_536)
                .setHttp2ClearTextEnabled(false));
        server.requestHandler(site::handle);
        try {
            return server.listen().toCompletionStage().toCompletableFuture().get();
        } catch (ExecutionException e) {
            var reason = e.getCause() instanceof BindException ? "the port is taken: stop what listens there, or choose another one" : e.getCause().getMessage();
            throw new IOException("The Stripe simulator cannot listen on " + options.host() + ":" + options.port() + ": " + reason, e.getCause());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException("Interrupted while the Stripe simulator was starting", e);
        }
    }

    private static void await(io.vertx.core.Future<Void> done) {
        done.toCompletionStage().toCompletableFuture().join();
    }
}
