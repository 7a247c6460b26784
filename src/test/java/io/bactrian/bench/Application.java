package io.bactrian.bench;

import io.bactrian.sandbox.Ports;
import io.bactrian.sandbox.SandboxPostgres;
import java.io.IOException;
import java.lang.ProcessBuilder.Redirect;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** Bactrian in a process of its own, as in production: the plain jar, with the container's heap. What it says is in target/bench. */
final class Application implements AutoCloseable {

    /** Only what moves changes from Postgres to Kafka. */
    static final String ONLY_CAPTURE = "camel.main.routes-include-pattern=file:routes/capture.camel.yaml,file:routes/errors.camel.yaml";

    private static final Duration PATIENCE = Duration.ofSeconds(60);

    private final Process process;
    private final int port;
    private final Duration startUp;

    private Application(Process process, int port, Duration startUp) {
        this.process = process;
        this.port = port;
        this.startUp = startUp;
    }

    /**
     * Starts it, and returns when it is ready.
     *
     * @param settings {@code name=value}, over those of application.properties
     */
    static Application start(Servers servers, String... settings) throws IOException, InterruptedException {
        int port = Ports.free();
        int management = Ports.free();
        var command = new ArrayList<>(List.of(Path.of(System.getProperty("java.home"), "bin", "java").toString(), "-Xmx256m"));
        command.addAll(List.of(System.getProperty("bench.java-options", "").strip().split("\\s+")));
        command.removeIf(String::isEmpty);
        command.addAll(Recordings.options());
        var all = new ArrayList<>(List.of(
                "postgres.url=" + servers.postgres.jdbcUrl(), "postgres.username=" + SandboxPostgres.NAME, "postgres.password=" + SandboxPostgres.NAME,
                "kafka.brokers=" + servers.kafka.bootstrap(),
                "stripe.api-base=" + servers.stripe.baseUrl(), "stripe.api-key=sk_test_sandbox", "stripe.webhook-secret=" + StripeEvents.SECRET, "stripe.rate-limit=1000", "stripe.inbound=webhook", "reconcile.first-contact=off",
                "http.port=" + port, "management.port=" + management));
        all.addAll(List.of(settings));
        all.forEach(setting -> command.add("-D" + setting));
        command.addAll(List.of("-jar", System.getProperty("bench.jar")));

        var log = Files.createTempFile(Files.createDirectories(Path.of("target/bench")), "application-", ".log").toFile();
        long begin = System.nanoTime();
        var process = new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(Redirect.to(log)).start();
        try {
            awaitReady(process, management, log.getPath());
        } catch (IOException | InterruptedException | RuntimeException e) {
            process.destroyForcibly();
            throw e;
        }
        return new Application(process, port, Duration.ofNanos(System.nanoTime() - begin));
    }

    /** From the start of the process until its health was UP. */
    Duration startUp() {
        return startUp;
    }

    /** Where it takes webhooks. */
    int port() {
        return port;
    }

    /** The processor time that it has taken so far. */
    Duration processorTime() {
        return process.info().totalCpuDuration().orElseThrow();
    }

    /** The memory that it occupies at present, in bytes. */
    long residentBytes() throws IOException, InterruptedException {
        var ps = new ProcessBuilder("ps", "-o", "rss=", "-p", Long.toString(process.pid())).start();
        var kilobytes = new String(ps.getInputStream().readAllBytes(), StandardCharsets.US_ASCII).strip();
        ps.waitFor();
        return Long.parseLong(kilobytes) * 1024;
    }

    /** Tells it to end, and returns when it has. */
    @Override
    public void close() throws InterruptedException {
        process.destroy();
        if (!process.waitFor(PATIENCE.toSeconds(), TimeUnit.SECONDS)) {
            process.destroyForcibly();
            throw new IllegalStateException("the application does not end");
        }
    }

    private static void awaitReady(Process process, int port, String log) throws IOException, InterruptedException {
        var client = HttpClient.newHttpClient();
        var request = HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + port + "/observe/health/ready")).build();
        var pace = new Pace(50);
        for (long deadline = System.nanoTime() + PATIENCE.toNanos(); System.nanoTime() < deadline; pace.await()) {
            if (!process.isAlive()) {
                throw new IllegalStateException("the application ended with exit code " + process.exitValue() + ", see " + log);
            }
            try {
                if (client.send(request, BodyHandlers.discarding()).statusCode() == 200) {
                    return;
                }
            } catch (java.net.ConnectException e) {
                // It does not listen yet.
            }
        }
        throw new IllegalStateException("the application is not ready after " + PATIENCE.toSeconds() + " s, see " + log);
    }
}
