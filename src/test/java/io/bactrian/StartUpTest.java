package io.bactrian;

import static io.bactrian.ChildProcess.get;
import static org.awaitility.Awaitility.await;
import static org.hamcrest.Matchers.containsString;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.bactrian.sandbox.Ports;
import io.bactrian.sandbox.SandboxKafka;
import io.bactrian.sandbox.SandboxPostgres;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.ConnectException;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.regex.Pattern;
import org.apache.kafka.clients.admin.Admin;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class StartUpTest {

    private static final Duration PATIENCE = Duration.ofMinutes(2);
    private static final String GREETING = """
            - route:
                id: greeting
                from:
                  uri: platform-http:/greeting
                  steps:
                    - log:
                        message: pausing for ${header.pause}
                    - delay:
                        expression:
                          simple:
                            expression: ${header.pause}
                    - setBody:
                        expression:
                          constant:
                            expression: hello
            """;

    @TempDir
    Path directory;

    @TempDir
    Path services;

    @Test
    void waits_for_postgres_and_kafka_and_ends_when_it_is_told_to() throws Exception {
        int postgresPort = Ports.free();
        int kafkaPort = Ports.free();
        int publicPort = Ports.free();
        int managementPort = Ports.free();
        SandboxPostgres.start(services.resolve("postgres"), postgresPort).close(); // from now on it has the user and the database at once
        try (var application = start(postgresPort, kafkaPort, publicPort, managementPort)) {
            await().atMost(PATIENCE).ignoreException(ConnectException.class)
                    .until(() -> get(managementPort, "/observe/health").body(), containsString("waiting for Postgres"));
            assertEquals(503, get(managementPort, "/observe/health").statusCode());
            assertEquals(503, get(managementPort, "/observe/health/ready").statusCode());
            assertEquals(200, get(managementPort, "/observe/health/live").statusCode());
            assertEquals(503, get(publicPort, "/greeting?pause=0").statusCode());
            assertRefusesBeforeTheBodyIsThere(publicPort);
            assertFalse(application.output().contains("Exception"), application::output);

            try (var postgres = SandboxPostgres.start(services.resolve("postgres"), postgresPort)) {
                await().atMost(PATIENCE)
                        .until(() -> get(managementPort, "/observe/health").body(), containsString("waiting for Kafka"));
                assertEquals(503, get(publicPort, "/greeting?pause=0").statusCode());

                // What was there, and goes away before the routes start, is waited for too.
                postgres.stop();
                try (var kafka = SandboxKafka.start(services.resolve("kafka"), kafkaPort)) {
                    await().atMost(PATIENCE).until(application::output, containsString("ready: "));
                    postgres.start();
                    await().atMost(PATIENCE).until(() -> get(managementPort, "/observe/health/ready").statusCode() == 200);
                    assertEquals("hello", get(publicPort, "/greeting?pause=0").body());
                    assertEquals(404, get(managementPort, "/greeting?pause=0").statusCode());
                    assertEquals(6, partitions(kafka, "changes.customers"));
                    assertTrue(application.output().contains("(postgres.url): connection refused"), application::output);

                    finishesWhatIsInFlight(application, publicPort);
                }
            }
        }
    }

    /** Twice on one connection, so that the first request is over when the second one is answered. */
    private static void assertRefusesBeforeTheBodyIsThere(int port) throws IOException {
        try (var socket = new Socket("127.0.0.1", port)) {
            socket.setSoTimeout((int) PATIENCE.toMillis());
            var answers = new BufferedReader(new InputStreamReader(socket.getInputStream(), StandardCharsets.US_ASCII));
            for (int i = 0; i < 2; i++) {
                socket.getOutputStream().write("POST /greeting HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\n".getBytes(StandardCharsets.US_ASCII));
                String line;
                do {
                    line = answers.readLine();
                } while (line != null && !line.startsWith("HTTP/1.1 "));
                assertEquals("HTTP/1.1 503 Service Unavailable", line);
                socket.getOutputStream().write("body".getBytes(StandardCharsets.US_ASCII));
            }
        }
    }

    private static void finishesWhatIsInFlight(ChildProcess application, int publicPort) throws Exception {
        var inFlight = CompletableFuture.supplyAsync(() -> slowGreeting(publicPort));
        await().atMost(PATIENCE).until(application::output, containsString("pausing for 2000"));
        application.terminate();
        assertEquals("hello", inFlight.get());
        application.exitCode();
        assertEquals("", application.errors());
    }

    private static String slowGreeting(int port) {
        try {
            return get(port, "/greeting?pause=2000").body();
        } catch (IOException | InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    @Test
    void takes_free_ports_when_it_may() throws Exception {
        var postgres = TestServices.postgres();
        try (var application = start(postgres.port(), TestServices.kafka().port(), 0, 0)) {
            await().atMost(PATIENCE).until(application::output, containsString("ready: "));
            var line = Pattern.compile("public HTTP on http://127.0.0.1:(\\d+), health and metrics on http://127.0.0.1:(\\d+)").matcher(application.output());
            assertTrue(line.find(), application::output);
            assertEquals("hello", get(Integer.parseInt(line.group(1)), "/greeting?pause=0").body());
            assertEquals(200, get(Integer.parseInt(line.group(2)), "/observe/metrics").statusCode());
        }
    }

    @Test
    void ends_at_once_while_it_waits() throws Exception {
        int managementPort = Ports.free();
        try (var application = start(Ports.free(), Ports.free(), Ports.free(), managementPort)) {
            await().atMost(PATIENCE).until(application::output, containsString("waiting for Postgres"));
            application.terminate();
            application.exitCode();
            assertEquals("", application.errors());
        }
    }

    private ChildProcess start(int postgresPort, int kafkaPort, int publicPort, int managementPort) throws IOException {
        ChildProcess.copyTo(directory, "application.properties", "sql");
        Files.createDirectory(directory.resolve("routes"));
        ChildProcess.copyTo(directory, "routes/capture.camel.yaml");
        Files.writeString(directory.resolve("routes").resolve("greeting.camel.yaml"), GREETING);
        return ChildProcess.application(directory, Map.of(
                "POSTGRES_URL", "jdbc:postgresql://127.0.0.1:" + postgresPort + "/" + SandboxPostgres.NAME,
                "POSTGRES_USERNAME", SandboxPostgres.NAME,
                "POSTGRES_PASSWORD", SandboxPostgres.NAME,
                "KAFKA_BROKERS", "127.0.0.1:" + kafkaPort,
                "STRIPE_API_KEY", "sk_test",
                "STRIPE_WEBHOOK_SECRET", "whsec_test",
                "HTTP_PORT", Integer.toString(publicPort),
                "MANAGEMENT_PORT", Integer.toString(managementPort)));
    }

    private static int partitions(SandboxKafka kafka, String topic) throws Exception {
        try (var admin = Admin.create(Map.of("bootstrap.servers", kafka.bootstrap()))) {
            return admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions().size();
        }
    }
}
