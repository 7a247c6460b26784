package io.bactrian.sandbox.stripe;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class IdempotencyTest {

    private static final String KEY = "Idempotency-Key";

    @TempDir
    Path state;
    private final TestClock clock = new TestClock(Instant.ofEpochSecond(1_800_000_000));
    private StripeSimulator simulator;
    private Http http;

    @BeforeEach
    void start() throws Exception {
        simulator = StripeSimulator.start(StripeSimulator.Options.inMemory().withStateDir(state), clock);
        http = Http.to(simulator);
    }

    @AfterEach
    void stop() {
        simulator.close();
    }

    @Test
    void replays_the_first_answer_and_does_nothing() throws Exception {
        var first = http.post("/v1/customers", "name=Ada&metadata[a]=1", KEY, "k");
        http.post("/v1/customers/" + first.id(), "name=Bob");
        var again = http.post("/v1/customers", "metadata[a]=1&name=Ada", KEY, "k");
        assertEquals(first.json(), again.json());
        assertEquals("true", again.header("Idempotent-Replayed"));
        assertEquals(first.header("Request-Id"), again.header("Original-Request"));
        assertNotEquals(first.header("Request-Id"), again.header("Request-Id"));
        assertNull(first.header("Idempotent-Replayed"));
        assertEquals(1, simulator.dashboard().customers().size());
        assertEquals(List.of(true, true, false), simulator.apiCalls().stream().map(ApiCall::wrote).toList());
    }

    @Test
    void refuses_a_key_used_for_something_else() throws Exception {
        var id = http.post("/v1/customers", "name=Ada", KEY, "k").id();
        for (var reply : List.of(http.post("/v1/customers", "name=Bob", KEY, "k"), http.post("/v1/customers/" + id, "name=Ada", KEY, "k"))) {
            assertEquals(400, reply.status());
            assertEquals("idempotency_error", reply.error().get("type").asText());
        }
        assertEquals(400, http.post("/v1/customers", "name=Ada", KEY, "k".repeat(256)).status());
        assertEquals(200, http.post("/v1/customers", "name=Ada", KEY, "k".repeat(255)).status());
    }

    @Test
    void replays_refusals_and_server_errors_but_not_429() throws Exception {
        assertEquals(400, http.post("/v1/customers", "email=broken", KEY, "a").status());
        assertEquals("true", http.post("/v1/customers", "email=broken", KEY, "a").header("Idempotent-Replayed"));
        simulator.faults().next(Fault.SERVER_ERROR, 1);
        var failed = http.post("/v1/customers", "name=Ada", KEY, "b");
        assertEquals(500, failed.status());
        assertEquals("false", failed.header("Stripe-Should-Retry"));
        var again = http.post("/v1/customers", "name=Ada", KEY, "b");
        assertEquals(failed.json(), again.json());
        simulator.faults().next(Fault.TOO_MANY_REQUESTS, 1);
        assertEquals(429, http.post("/v1/customers", "name=Ada", KEY, "c").status());
        assertEquals(200, http.post("/v1/customers", "name=Ada", KEY, "c").status());
    }

    @Test
    void refuses_a_key_in_flight() throws Exception {
        simulator.faults().latency(500, 0);
        var replies = Stream.of(1, 2, 3).map(i -> CompletableFuture.supplyAsync(() -> post("k"))).toList()
                .stream().map(CompletableFuture::join).toList();
        assertEquals(List.of(200, 409, 409), replies.stream().map(Http.Reply::status).sorted().toList());
        var refused = replies.stream().filter(reply -> reply.status() == 409).findFirst().orElseThrow();
        assertEquals("idempotency_key_in_use", refused.error().get("code").asText());
        assertEquals("true", refused.header("Stripe-Should-Retry"));
        assertEquals("true", http.post("/v1/customers", "name=Ada", KEY, "k").header("Idempotent-Replayed"));
    }

    @Test
    void keeps_a_key_for_24_hours_across_restarts() throws Exception {
        var first = http.post("/v1/customers", "name=Ada&address[city]=Oslo", KEY, "k");
        clock.advance(Duration.ofHours(23));
        simulator.close();
        start();
        var again = http.post("/v1/customers", "name=Ada&address[city]=Oslo", KEY, "k");
        assertEquals(first.json(), again.json());
        assertEquals(first.header("Request-Id"), again.header("Original-Request"));
        clock.advance(Duration.ofHours(2));
        assertNotEquals(first.id(), http.post("/v1/customers", "name=Ada&address[city]=Oslo", KEY, "k").id());
    }

    @Test
    void ignores_keys_of_reads_and_deletes() throws Exception {
        var path = "/v1/customers/" + http.post("/v1/customers", "name=Ada").id();
        var read = http.send(http.request(path).header(KEY, "k"));
        assertEquals("k", read.header(KEY));
        assertEquals(200, http.send(http.request(path).header(KEY, "k").DELETE()).status());
    }

    private Http.Reply post(String key) {
        try {
            return http.post("/v1/customers", "name=Ada", KEY, key);
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }
}
