package io.bactrian.sandbox.stripe;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.EnumMap;
import java.util.Locale;
import java.util.Map;
import java.util.Random;

/**
 * The faults on demand. The same knobs are at {@code /simulator/faults}: GET shows them, POST changes those it names, DELETE clears them all.
 *
 * <p>With one seed and one order of calls, the same calls fail. Thread-safe.
 */
public final class Faults {

    private static final class Knob {
        private double probability;
        private int next;
        private long struck;
    }

    private final Map<Fault, Knob> knobs = new EnumMap<>(Fault.class);
    private Random random;
    private long seed;
    private String method;
    private String path;
    private int latencyMs;
    private int latencyJitterMs;
    private int requestsPerSecond;
    private int webhookDelayMinMs;
    private int webhookDelayMaxMs;
    private long webhooksDelayed;
    private long second;
    private int inSecond;

    Faults() {
        clear();
    }

    /** Ends all faults and takes a new seed. */
    public synchronized Faults clear() {
        for (var fault : Fault.values()) {
            var knob = knobs.computeIfAbsent(fault, none -> new Knob());
            knob.probability = 0;
            knob.next = 0;
        }
        method = null;
        path = null;
        latencyMs = 0;
        latencyJitterMs = 0;
        requestsPerSecond = 0;
        webhookDelayMinMs = 0;
        webhookDelayMaxMs = 0;
        return seed(Math.floorMod(System.nanoTime(), 1_000_000L));
    }

    /** Seeds all randomness from here on. */
    public synchronized Faults seed(long seed) {
        this.seed = seed;
        random = new Random(seed);
        return this;
    }

    /**
     * Restricts the faults of calls (not those of webhooks).
     *
     * @param method {@code POST}, or null for any
     * @param path the beginning of a path, {@code /v1/customers}, or null for any
     */
    public synchronized Faults only(String method, String path) {
        this.method = method;
        this.path = path;
        return this;
    }

    /** Lets a fault happen with a probability from 0 to 1. */
    public synchronized Faults probability(Fault fault, double probability) {
        if (!(probability >= 0 && probability <= 1)) {
            throw new IllegalArgumentException(fault.field() + ": the probability must be between 0 and 1, not " + probability);
        }
        knobs.get(fault).probability = probability;
        return this;
    }

    /** Lets a fault happen to the next {@code count} calls, or webhooks, for sure. */
    public synchronized Faults next(Fault fault, int count) {
        knobs.get(fault).next = notNegative(fault.field() + ".next", count);
        return this;
    }

    /** Delays each call by {@code ms} and up to {@code jitterMs} more, both milliseconds, before it is carried out. */
    public synchronized Faults latency(int ms, int jitterMs) {
        latencyMs = notNegative("latency_ms", ms);
        latencyJitterMs = notNegative("latency_jitter_ms", jitterMs);
        return this;
    }

    /** Answers 429 beyond so many calls within a second of the clock; 0 is no limit. */
    public synchronized Faults requestsPerSecond(int limit) {
        requestsPerSecond = notNegative("requests_per_second", limit);
        return this;
    }

    /** Delays each webhook by a random time between two bounds, in milliseconds; one object's webhooks may overtake each other. */
    public synchronized Faults webhookDelay(int minMs, int maxMs) {
        webhookDelayMinMs = notNegative("webhook_delay_min_ms", minMs);
        webhookDelayMaxMs = Math.max(minMs, maxMs);
        return this;
    }

    /** Whether a fault of calls happens to this one. */
    synchronized boolean strikes(Fault fault, String method, String path) {
        return inScope(method, path) && strikes(fault);
    }

    /** Whether a fault happens now. */
    synchronized boolean strikes(Fault fault) {
        var knob = knobs.get(fault);
        if (knob.next > 0) {
            knob.next--;
        } else if (!(knob.probability > 0 && random.nextDouble() < knob.probability)) {
            return false;
        }
        knob.struck++;
        return true;
    }

    /** How often a fault has happened so far. */
    public synchronized long struck(Fault fault) {
        return knobs.get(fault).struck;
    }

    /** Whether this call is beyond the limit of its second. */
    synchronized boolean overLimit(String method, String path, long nowMs) {
        if (requestsPerSecond == 0 || !inScope(method, path)) {
            return false;
        }
        if (second != nowMs / 1000) {
            second = nowMs / 1000;
            inSecond = 0;
        }
        return ++inSecond > requestsPerSecond;
    }

    /** How long to hold back this call, in milliseconds. */
    synchronized int latency(String method, String path) {
        return inScope(method, path) ? latencyMs + below(latencyJitterMs) : 0;
    }

    /** How long to hold back a webhook, in milliseconds. */
    synchronized int webhookDelay() {
        int delay = webhookDelayMinMs + below(webhookDelayMaxMs - webhookDelayMinMs);
        if (delay > 0) {
            webhooksDelayed++;
        }
        return delay;
    }

    /** How many webhooks were held back so far, besides those that were shuffled. */
    public synchronized long webhooksDelayed() {
        return webhooksDelayed;
    }

    /** A random number from 0 to {@code bound}. */
    synchronized int below(int bound) {
        return bound <= 0 ? 0 : random.nextInt(bound + 1);
    }

    synchronized ObjectNode toJson() {
        var json = Json.MAPPER.createObjectNode()
                .put("seed", seed)
                .put("method", method)
                .put("path", path)
                .put("latency_ms", latencyMs)
                .put("latency_jitter_ms", latencyJitterMs)
                .put("requests_per_second", requestsPerSecond)
                .put("webhook_delay_min_ms", webhookDelayMinMs)
                .put("webhook_delay_max_ms", webhookDelayMaxMs);
        knobs.forEach((fault, knob) -> json.putObject(fault.field()).put("probability", knob.probability).put("next", knob.next));
        return json;
    }

    /**
     * Changes the knobs that {@code json} names.
     *
     * @throws IllegalArgumentException when it names an unknown one, or gives one a wrong value; then nothing has changed
     */
    synchronized void change(JsonNode json) {
        var all = toJson();
        json.fields().forEachRemaining(entry -> {
            var name = entry.getKey();
            if (!all.has(name)) {
                throw new IllegalArgumentException("There is no fault named " + name + ". Known: " + String.join(", ", names(all)));
            }
            if (all.get(name) instanceof ObjectNode knob && entry.getValue() instanceof ObjectNode change) {
                knob.setAll(change);
            } else {
                all.set(name, entry.getValue());
            }
        });
        new Faults().set(all);
        set(all);
        if (json.has("seed")) {
            seed(number(all, "", "seed").asLong());
        }
    }

    private void set(ObjectNode all) {
        for (var fault : Fault.values()) {
            var knob = all.get(fault.field());
            probability(fault, number(knob, fault.field(), "probability").asDouble());
            next(fault, number(knob, fault.field(), "next").asInt());
        }
        latency(number(all, "", "latency_ms").asInt(), number(all, "", "latency_jitter_ms").asInt());
        requestsPerSecond(number(all, "", "requests_per_second").asInt());
        webhookDelay(number(all, "", "webhook_delay_min_ms").asInt(), number(all, "", "webhook_delay_max_ms").asInt());
        var only = Json.text(all, "method");
        only(only == null || only.isEmpty() ? null : only.toUpperCase(Locale.ROOT), Json.text(all, "path"));
    }

    private boolean inScope(String calledMethod, String calledPath) {
        return (method == null || method.equals(calledMethod)) && (path == null || calledPath.startsWith(path));
    }

    private static JsonNode number(JsonNode parent, String prefix, String name) {
        var value = parent.path(name);
        if (!value.isNumber()) {
            throw new IllegalArgumentException((prefix.isEmpty() ? name : prefix + "." + name) + " must be a number");
        }
        return value;
    }

    private static int notNegative(String name, int value) {
        if (value < 0) {
            throw new IllegalArgumentException(name + " must not be negative");
        }
        return value;
    }

    private static Iterable<String> names(ObjectNode json) {
        return json::fieldNames;
    }
}
