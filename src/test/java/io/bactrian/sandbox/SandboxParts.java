package io.bactrian.sandbox;

import io.bactrian.Migrations;
import io.bactrian.sandbox.mail.MailCatcher;
import io.bactrian.sandbox.stripe.StripeSimulator;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.sql.SQLException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import org.postgresql.ds.PGSimpleDataSource;

/**
 * What the sandbox brings along: a Postgres with sample customers, a Kafka, a Stripe, and somebody who catches mail. Each only where the user's settings name none; from
 * then on the settings name ours.
 */
final class SandboxParts implements AutoCloseable {

    /** Calls a second that the simulator allows. */
    private static final String RATE_LIMIT = "1000";
    private static final String API_KEY = "sk_test_sandbox";
    private static final String WEBHOOK_SECRET = "whsec_sandbox";
    private static final String MAIL_KEY = "SG.sandbox";

    private final SandboxSettings settings;
    private final Path directory;
    private volatile SandboxPostgres postgres;
    private volatile SandboxKafka kafka;
    private volatile StripeSimulator stripe;
    private volatile MailCatcher mail;

    /** @param directory where their state is kept */
    SandboxParts(SandboxSettings settings, Path directory) {
        this.settings = settings;
        this.directory = directory;
    }

    private interface Start {

        void run() throws Exception;
    }

    /**
     * Starts them, all at once.
     *
     * @throws IOException when one cannot be started; the message says which, why, and what to do. The others are to be closed all the same.
     */
    void start() throws IOException {
        try {
            CompletableFuture.allOf(
                    start("Postgres", "postgres.url", "sandbox.postgres-port", this::startPostgres),
                    start("Kafka", "kafka.brokers", "sandbox.kafka-port", this::startKafka),
                    start("Stripe simulator", "stripe.api-key", "sandbox.stripe-port", this::startStripe),
                    start("mail catcher", "welcome-email.provider", "sandbox.mail-port", this::startMail)).join();
        } catch (CompletionException e) {
            throw e.getCause() instanceof IOException problem ? problem : new IOException(e.getCause().toString(), e.getCause());
        }
    }

    private CompletableFuture<Void> start(String part, String replacedBy, String portSetting, Start start) {
        if (!settings.isEmpty(replacedBy)) {
            return CompletableFuture.completedFuture(null);
        }
        return CompletableFuture.runAsync(() -> {
            try {
                start.run();
            } catch (PortTakenException e) {
                throw new CompletionException(new IOException("the " + part + "'s port " + e.port() + " is taken; end what listens there, set "
                        + portSetting + " to another, or " + replacedBy + " to one of your own", e));
            } catch (Exception e) {
                throw new CompletionException(new IOException("the " + part + " does not start: " + e.getMessage(), e));
            }
        });
    }

    private void startPostgres() throws Exception {
        postgres = SandboxPostgres.start(directory.resolve("postgres"), settings.port("sandbox.postgres-port", 15432));
        settings.set("postgres.url", postgres.jdbcUrl());
        settings.set("postgres.username", SandboxPostgres.NAME);
        settings.set("postgres.password", SandboxPostgres.NAME);
        loadSampleCustomers();
    }

    private void loadSampleCustomers() throws IOException, SQLException {
        var dataSource = new PGSimpleDataSource();
        dataSource.setUrl(postgres.jdbcUrl());
        dataSource.setUser(SandboxPostgres.NAME);
        dataSource.setPassword(SandboxPostgres.NAME);
        Migrations.run(dataSource);
        try (var sql = SandboxParts.class.getResourceAsStream("/sandbox/sample-customers.sql");
                var connection = dataSource.getConnection();
                var statement = connection.createStatement()) {
            statement.execute(new String(sql.readAllBytes(), StandardCharsets.UTF_8));
        }
    }

    private void startKafka() throws IOException {
        kafka = SandboxKafka.start(directory.resolve("kafka"), settings.port("sandbox.kafka-port", 19092));
        settings.set("kafka.brokers", kafka.bootstrap());
    }

    private void startStripe() throws IOException {
        int port = settings.port("sandbox.stripe-port", 12111);
        if (!Ports.isFree(port)) {
            throw new PortTakenException(port);
        }
        boolean ourSecret = settings.isEmpty("stripe.webhook-secret");
        var secret = ourSecret ? WEBHOOK_SECRET : settings.get("stripe.webhook-secret");
        stripe = StripeSimulator.start(StripeSimulator.Options.inMemory()
                .withPort(port)
                .withStateDir(directory.resolve("stripe"))
                .withApiKey(API_KEY)
                .withWebhookSecret(secret)
                .withWebhookUrl("http://127.0.0.1:" + settings.port("http.port", 8080) + "/webhooks/stripe"));
        settings.set("stripe.api-key", API_KEY);
        settings.set("stripe.api-base", stripe.baseUrl().toString());
        if (ourSecret) {
            settings.set("stripe.webhook-secret", secret);
        }
        if (settings.isEmpty("stripe.rate-limit")) {
            settings.set("stripe.rate-limit", RATE_LIMIT);
        }
    }

    private void startMail() throws IOException {
        int port = settings.port("sandbox.mail-port", 12112);
        if (!Ports.isFree(port)) {
            throw new PortTakenException(port);
        }
        mail = MailCatcher.start(port, MAIL_KEY);
        settings.set("welcome-email.provider", "sendgrid");
        settings.set("sendgrid.api-base", mail.baseUrl().toString());
        settings.set("sendgrid.api-key", MAIL_KEY);
        if (settings.isEmpty("welcome-email.from")) {
            settings.set("welcome-email.from", "hello@example.com");
            settings.set("welcome-email.from-name", "Bactrian's sandbox");
        }
    }

    /** Where caught mail is shown; null when it is really sent. */
    String mailPage() {
        return mail == null ? null : mail.baseUrl() + "/";
    }

    /** Where our Stripe simulator's page is; null when there is none. */
    String stripePage() {
        return stripe == null ? null : stripe.baseUrl() + "/";
    }

    /** How psql reaches our Postgres; null when there is none. */
    String postgresAddress() {
        return postgres == null ? null : postgres.address();
    }

    /** Our broker; null when there is none. */
    String kafkaAddress() {
        return kafka == null ? null : kafka.bootstrap();
    }

    /** Stops what was started. */
    @Override
    public void close() throws IOException {
        if (mail != null) {
            mail.close();
        }
        if (stripe != null) {
            stripe.close();
        }
        if (kafka != null) {
            kafka.close();
        }
        if (postgres != null) {
            postgres.close();
        }
    }
}
