package io.bactrian.sandbox.stripe;

import static java.util.concurrent.TimeUnit.SECONDS;
import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class PersistenceTest {

    @TempDir
    Path state;

    @Test
    void a_restart_finds_everything() throws Exception {
        JsonNode customers;
        JsonNode events;
        JsonNode endpoint;
        String deleted;
        try (var simulator = start()) {
            var http = Http.to(simulator);
            deleted = http.post("/v1/customers", "name=gone").id();
            for (var i = 0; i < 12; i++) {
                http.post("/v1/customers/" + http.post("/v1/customers", "name=" + i).id(), "email=" + i + "@example.com");
            }
            http.delete("/v1/customers/" + deleted);
            endpoint = http.post("/v1/webhook_endpoints", "url=http://127.0.0.1:1/&enabled_events[]=none").json();
            customers = http.get("/v1/customers?limit=100").json();
            events = http.get("/v1/events?limit=100").json();
        }
        for (var restart = 0; restart < 2; restart++) {
            try (var simulator = start()) {
                var http = Http.to(simulator);
                assertEquals(customers, http.get("/v1/customers?limit=100").json());
                assertEquals(events, http.get("/v1/events?limit=100").json());
                assertTrue(http.get("/v1/customers/" + deleted).json().get("deleted").asBoolean());
                assertEquals(1, http.get("/v1/customers?email=3@example.com").json().get("data").size());
                assertEquals(endpoint.get("url"), http.get("/v1/webhook_endpoints").json().get("data").get(0).get("url"));
            }
        }
        try (var simulator = start()) {
            var http = Http.to(simulator);
            var newest = http.post("/v1/customers", "name=newest").id();
            assertEquals(newest, http.get("/v1/customers").json().get("data").get(0).get("id").asText());
        }
    }

    @Test
    void a_restart_delivers_what_was_still_owed() throws Exception {
        try (var receiver = new Receiver()) {
            var options = StripeSimulator.Options.inMemory().withStateDir(state);
            try (var simulator = StripeSimulator.start(options.withWebhookUrl("http://127.0.0.1:1/"))) {
                simulator.dashboard().createCustomer(Map.of("name", "owed"));
                simulator.faults().next(Fault.WEBHOOK_LOST, 1);
                simulator.dashboard().createCustomer(Map.of("name", "lost"));
            }
            try (var simulator = StripeSimulator.start(options.withWebhookUrl(receiver.url()))) {
                await().atMost(30, SECONDS).until(simulator::webhooksIdle);
                assertEquals(List.of("owed"), receiver.received.stream().map(webhook -> webhook.json().at("/data/object/name").asText()).toList());
                var missed = Http.to(simulator).get("/v1/events?delivery_success=false").json().get("data");
                assertEquals(List.of("lost"), missed.findValuesAsText("name"));
            }
            try (var simulator = StripeSimulator.start(options.withWebhookUrl(receiver.url()))) {
                assertTrue(simulator.webhooksIdle());
            }
        }
    }

    @Test
    void a_torn_last_line_is_a_commit_that_never_was() throws Exception {
        var journal = state.resolve("journal.jsonl");
        try (var simulator = start()) {
            simulator.dashboard().createCustomer(Map.of("name", "first"));
        }
        start().close();
        var whole = Files.readAllBytes(journal);
        try (var simulator = start()) {
            simulator.dashboard().createCustomer(Map.of("name", "second Zoë 🐪"));
        }
        var torn = Files.readAllBytes(journal);
        var lengths = IntStream.range(0, 40).map(i -> whole.length + 1 + i * (torn.length - whole.length - 3) / 40).toArray();
        for (var length : lengths) {
            Files.write(journal, Arrays.copyOf(torn, length));
            try (var account = new Account(Journal.open(state), Clock.systemUTC())) {
                var customers = account.list(Resources.CUSTOMERS, Json.MAPPER.createObjectNode(), 10, null, null).items();
                assertEquals(List.of("first"), customers.stream().map(customer -> Json.object(customer).get("name").asText()).toList());
                assertEquals(1, account.count(Resources.EVENTS));
            }
        }
    }

    @Test
    void damage_elsewhere_is_reported() throws Exception {
        Files.writeString(state.resolve("journal.jsonl"), "{}\n{\"put\":[\n{}\n");
        var problem = assertThrows(IOException.class, this::start);
        assertTrue(problem.getMessage().contains("journal.jsonl is damaged at line 2"), problem.getMessage());
        Files.writeString(state.resolve("journal.jsonl"), "");
        start().close();
    }

    @Test
    void one_directory_has_one_simulator() throws Exception {
        try (var simulator = start()) {
            assertTrue(assertThrows(IOException.class, this::start).getMessage().contains("in use"));
        }
        start().close();
    }

    @Test
    void a_taken_port_is_named() throws Exception {
        try (var simulator = start()) {
            var port = simulator.baseUrl().getPort();
            var problem = assertThrows(IOException.class, () -> StripeSimulator.start(StripeSimulator.Options.inMemory().withPort(port)));
            assertTrue(problem.getMessage().contains("127.0.0.1:" + port) && problem.getMessage().contains("taken"), problem.getMessage());
        }
    }

    @Test
    void a_killed_simulator_keeps_what_it_acknowledged() throws Exception {
        var process = new ProcessBuilder(Path.of(System.getProperty("java.home"), "bin", "java").toString(), "-cp", System.getProperty("java.class.path"),
                Victim.class.getName(), state.toString()).redirectErrorStream(true).start();
        var acknowledged = new ConcurrentHashMap<String, Http.Reply>();
        try (var out = new BufferedReader(new InputStreamReader(process.getInputStream()))) {
            var line = out.readLine();
            while (line != null && !line.startsWith("http://")) {
                line = out.readLine();
            }
            var http = new Http(URI.create(line), "sk_test_sandbox");
            var writers = Executors.newFixedThreadPool(4);
            var next = new AtomicInteger();
            for (var i = 0; i < 4; i++) {
                writers.submit(() -> {
                    while (true) {
                        var key = "k" + next.incrementAndGet();
                        acknowledged.put(key, http.post("/v1/customers", "name=" + key, "Idempotency-Key", key));
                    }
                });
            }
            await().atMost(30, SECONDS).until(() -> acknowledged.size() > 300);
            process.destroyForcibly().waitFor();
            writers.shutdown();
            assertTrue(writers.awaitTermination(30, SECONDS));
        } finally {
            process.destroyForcibly();
        }
        try (var simulator = start()) {
            var http = Http.to(simulator);
            for (var entry : acknowledged.entrySet()) {
                var again = http.post("/v1/customers", "name=" + entry.getKey(), "Idempotency-Key", entry.getKey());
                assertEquals("true", again.header("Idempotent-Replayed"));
                assertEquals(entry.getValue().json(), again.json());
            }
            var customers = simulator.dashboard().customers();
            assertFalse(customers.size() < acknowledged.size());
            assertEquals(customers.size(), http.get("/simulator/state").json().at("/objects/events").asInt());
        }
    }

    /** A simulator in a process of its own, to be killed. */
    static final class Victim {
        public static void main(String[] args) throws Exception {
            System.out.println(StripeSimulator.start(StripeSimulator.Options.inMemory().withStateDir(Path.of(args[0]))).baseUrl());
        }
    }

    private StripeSimulator start() throws IOException {
        return StripeSimulator.start(StripeSimulator.Options.inMemory().withStateDir(state));
    }
}
