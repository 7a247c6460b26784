package io.bactrian.sandbox.stripe;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.stripe.StripeClient;
import com.stripe.exception.RateLimitException;
import java.io.IOException;
import java.net.http.HttpTimeoutException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class FaultsTest {

    private StripeSimulator simulator;
    private Http http;

    @BeforeEach
    void start() throws Exception {
        simulator = StripeSimulator.start(StripeSimulator.Options.inMemory());
        http = Http.to(simulator);
    }

    @AfterEach
    void stop() {
        simulator.close();
    }

    @Test
    void too_many_requests_say_when_to_come_back() throws Exception {
        simulator.faults().next(Fault.TOO_MANY_REQUESTS, 1);
        var reply = http.get("/v1/customers");
        assertEquals(429, reply.status());
        assertEquals("rate_limit", reply.error().get("code").asText());
        assertEquals("1", reply.header("Retry-After"));
        assertEquals("global-rate", reply.header("Stripe-Rate-Limited-Reason"));
        assertEquals(200, http.get("/v1/customers").status());
        simulator.faults().next(Fault.TOO_MANY_REQUESTS, 1);
        var stripe = StripeClient.builder().setApiKey("sk_test_sandbox").setApiBase(simulator.baseUrl().toString()).build();
        assertThrows(RateLimitException.class, () -> stripe.v1().customers().list());
    }

    @Test
    void a_lock_timeout_asks_for_a_retry() throws Exception {
        simulator.faults().next(Fault.LOCK_TIMEOUT, 1);
        var reply = http.post("/v1/customers", "name=Ada", "Idempotency-Key", "k");
        assertEquals(429, reply.status());
        assertEquals("lock_timeout", reply.error().get("code").asText());
        assertEquals("true", reply.header("Stripe-Should-Retry"));
        assertNull(reply.header("Stripe-Rate-Limited-Reason"));
        assertEquals(200, http.post("/v1/customers", "name=Ada", "Idempotency-Key", "k").status());
    }

    @Test
    void a_rate_limit_counts_the_calls_of_a_second() throws Exception {
        simulator.faults().requestsPerSecond(1).only("POST", null);
        var statuses = new ArrayList<Integer>();
        for (var i = 0; i < 20; i++) {
            statuses.add(http.post("/v1/customers", "").status());
        }
        assertTrue(statuses.contains(200) && statuses.contains(429));
        assertEquals(200, http.get("/v1/customers").status());
        assertEquals(simulator.dashboard().customers().size(), statuses.stream().filter(status -> status == 200).count());
    }

    @Test
    void a_server_error_changes_nothing() throws Exception {
        simulator.faults().next(Fault.SERVER_ERROR, 1);
        var reply = http.post("/v1/customers", "name=Ada");
        assertEquals(500, reply.status());
        assertEquals("api_error", reply.error().get("type").asText());
        assertNull(reply.header("Stripe-Should-Retry"));
        assertEquals(0, simulator.dashboard().customers().size());
    }

    @Test
    void a_reset_before_commit_changes_nothing() {
        simulator.faults().next(Fault.RESET_BEFORE_COMMIT, 1);
        assertThrows(IOException.class, () -> http.post("/v1/customers", "name=Ada", "Idempotency-Key", "k"));
        assertEquals(0, simulator.dashboard().customers().size());
        assertEquals(0, simulator.apiCalls().get(0).status());
    }

    @Test
    void a_reset_after_commit_is_repaired_by_the_same_key() throws Exception {
        simulator.faults().next(Fault.RESET_AFTER_COMMIT, 1);
        assertThrows(IOException.class, () -> http.post("/v1/customers", "name=Ada", "Idempotency-Key", "k"));
        assertEquals(1, simulator.dashboard().customers().size());
        var call = simulator.apiCalls().get(0);
        assertTrue(call.wrote());
        assertFalse(call.answered());
        assertEquals("true", http.post("/v1/customers", "name=Ada", "Idempotency-Key", "k").header("Idempotent-Replayed"));
        assertEquals(1, simulator.dashboard().customers().size());
    }

    @Test
    void a_hang_after_commit_runs_into_the_callers_time_out() throws Exception {
        simulator.faults().next(Fault.HANG_AFTER_COMMIT, 1);
        assertThrows(HttpTimeoutException.class, () -> http.postWithin(Duration.ofMillis(300), "/v1/customers", "name=Ada", "Idempotency-Key", "k"));
        assertEquals("Ada", http.post("/v1/customers", "name=Ada", "Idempotency-Key", "k").json().get("name").asText());
        assertEquals(1, simulator.dashboard().customers().size());
    }

    @Test
    void latency_holds_a_call_back() throws Exception {
        simulator.faults().latency(100, 20);
        var before = Instant.now();
        http.get("/v1/customers");
        assertTrue(Duration.between(before, Instant.now()).toMillis() >= 100);
    }

    @Test
    void keep_to_their_method_and_path() throws Exception {
        simulator.faults().only("POST", "/v1/customers").probability(Fault.SERVER_ERROR, 1);
        assertEquals(200, http.get("/v1/customers").status());
        assertEquals(200, http.post("/v1/products", "name=Tea").status());
        assertEquals(500, http.post("/v1/customers", "").status());
        simulator.faults().clear();
        assertEquals(200, http.post("/v1/customers", "").status());
    }

    @Test
    void repeat_themselves_with_one_seed() throws Exception {
        assertEquals(statuses(42), statuses(42));
        assertNotEquals(statuses(42), statuses(43));
    }

    @Test
    void do_not_touch_the_dashboard() {
        for (var fault : Fault.values()) {
            simulator.faults().probability(fault, 1);
        }
        simulator.dashboard().createCustomer(java.util.Map.of("name", "Ada"));
        assertEquals(1, simulator.dashboard().customers().size());
    }

    private List<Integer> statuses(long seed) throws Exception {
        simulator.faults().clear().seed(seed).probability(Fault.SERVER_ERROR, 0.5);
        var statuses = new ArrayList<Integer>();
        for (var i = 0; i < 30; i++) {
            statuses.add(http.get("/v1/customers").status());
        }
        return statuses;
    }
}
