package io.bactrian.sync;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Tags;
import java.util.Comparator;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import org.apache.camel.CamelContext;
import org.apache.camel.Exchange;
import org.apache.camel.support.DefaultExchange;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.springframework.dao.DataIntegrityViolationException;
import org.springframework.jdbc.BadSqlGrammarException;
import org.springframework.jdbc.UncategorizedSQLException;

/**
 * Writes one record to another system: claims it, maps it, calls, settles; when the call fails the record waits in sync.failure.
 *
 * <p>Each integration has the routes {@code direct:<mappings>-from-hub} and {@code -to-hub}, which map a body, and {@code call-<call>}; each system has
 * {@code find-<prefix>}, which looks for the object of a record that may have been created, and {@code point-<prefix>}, which adds the pointers to one that
 * an older version made. What they are told is in variables: {@code system}, {@code entity}, {@code record_id}, {@code fields}, {@code policy},
 * {@code resource}; {@code claim}, see {@link Claims#claim(Work)}; {@code action}, {@code external_id}; {@code hub}, the id of this installation, null
 * for a request of before there was one; {@code background}; {@code unlisted}; of a create or update {@code idempotency_key}, {@code mapped_base} (what both
 * sides had agreed on, mapped) and {@code part} (the part that it is about). What they tell is in {@code external_id}, {@code at} (seconds since the epoch, by
 * the other system's clock), {@code stale}, {@code request_id}.
 *
 * <p>What is only announced has {@code call-<call>} alone: its body is the row.
 */
final class Writer {

    private static final Logger LOG = LoggerFactory.getLogger(Writer.class);
    private static final Set<String> NOTHING_TO_DO = Set.of("none", "busy", "parked", "waiting");
    /** 1 is 1.0, as in Postgres. */
    private static final Comparator<JsonNode> BY_VALUE = (one, other) -> one.equals(other)
            || one.isNumber() && other.isNumber() && one.decimalValue().compareTo(other.decimalValue()) == 0 ? 0 : 1;

    private final CamelContext camel;
    private final Mappings mappings;
    private final Claims claims;
    private final Permits permits;
    private final Failures failures;
    private final Circuits circuits;
    private final MeterRegistry meters;
    private final long pauseMillis;

    Writer(CamelContext camel, Claims claims, Permits permits, Failures failures, Circuits circuits, MeterRegistry meters) {
        this.camel = camel;
        this.claims = claims;
        this.permits = permits;
        this.failures = failures;
        this.circuits = circuits;
        this.meters = meters;
        mappings = new Mappings(camel);
        pauseMillis = Long.parseLong(camel.resolvePropertyPlaceholders("{{retry.pause}}"));
    }

    /**
     * Makes the other system's object equal to a record, if it is not.
     *
     * @throws DataIntegrityViolationException when that cannot be the id of a record
     * @throws org.springframework.dao.DataAccessException when Postgres is away: then it is to be tried again
     */
    void sync(Work work) {
        var since = System.nanoTime();
        var claim = claims.claim(work);
        if (NOTHING_TO_DO.contains((String) claim.get("action"))) {
            return;
        }
        var exchange = exchange(work, claim);
        claims.lease(work, claim, since).accompany(exchange);
        do {
            exchange.setVariable("result", "settle");
            call(work, claim, exchange);
        } while (isAgain(exchange));
        if (exchange.getVariable("result").equals("settle")) {
            settle(work, claim, exchange);
        }
        if (exchange.getVariable("result").equals("fail")) {
            LOG.warn("{} {} {}: {} failed: {} ({}, {})", work.integration().system(), work.integration().entity(), work.recordId(), exchange.getVariable("action"),
                    exchange.getVariable("reason"), exchange.getVariable("code"), exchange.getVariable("request_id"));
            claims.fail(work, claim.get("token"), exchange);
        }
    }

    private Exchange exchange(Work work, Map<String, Object> claim) {
        var exchange = new DefaultExchange(camel);
        exchange.setVariable("system", work.integration().system());
        exchange.setVariable("entity", work.integration().entity());
        exchange.setVariable("record_id", work.recordId());
        exchange.setVariable("fields", "{" + String.join(",", work.integration().fields()) + "}");
        exchange.setVariable("policy", work.integration().policy());
        exchange.setVariable("resource", work.integration().resource());
        exchange.setVariable("call", work.integration().call());
        exchange.setVariable("background", Boolean.toString(work.background()));
        exchange.setVariable("unlisted", Boolean.toString(work.unlisted()));
        exchange.setVariable("cause", work.cause());
        exchange.setVariable("claim", claim);
        exchange.setVariable("action", claim.get("action"));
        exchange.setVariable("external_id", claim.get("external_id"));
        exchange.setVariable("hub", claim.get("hub"));
        exchange.setVariable("stale", "false");
        return exchange;
    }

    private void call(Work work, Map<String, Object> claim, Exchange exchange) {
        try {
            exchange.getMessage().setBody("{}");
            if (work.integration().oneWay()) {
                announce(work, claim, exchange);
                return;
            }
            if (is(exchange, "find")) {
                ask(work, "find-" + work.integration().prefix(), exchange);
                var missing = exchange.getMessage().getBody() == null && claim.get("record") != null;
                exchange.setVariable("action", missing ? "create" : "found");
                exchange.setVariable("stale", Boolean.toString(!missing));
            }
            if (is(exchange, "point")) {
                ask(work, "point-" + work.integration().prefix(), exchange);
                exchange.setVariable("action", "fetch"); // what it says afterwards is read, for an answer may be a stored one
                exchange.getMessage().setBody("{}");
            }
            if (is(exchange, "create") || is(exchange, "update")) {
                prepare(work, claim, exchange);
            }
            if (!is(exchange, "found")) {
                ask(work, "call-" + work.integration().call(), exchange);
            }
            exchange.setVariable("called", "true");
            if (exchange.getMessage().getBody() != null) { // else the object is gone
                mappings.toHub(work.integration(), exchange);
                exchange.setVariable("remote", exchange.getMessage().getBody(String.class));
            }
            circuits.answered(work.integration().system());
        } catch (Exception e) {
            describe(exchange, e);
        }
    }

    /** Tells of a record. Nobody can say which are known there: one of unknown fate is told again. */
    private void announce(Work work, Map<String, Object> claim, Exchange exchange) throws Exception {
        var record = claim.get("record");
        if (is(exchange, "find")) {
            exchange.setVariable("action", record == null ? "found" : "create");
            exchange.setVariable("stale", Boolean.toString(record == null));
        }
        if (is(exchange, "create")) {
            exchange.setVariable("idempotency_key", claim.get("key_prefix") + ":" + Hash.of(record.toString()));
            exchange.getMessage().setBody(record.toString());
            ask(work, "call-" + work.integration().call(), exchange);
        }
        exchange.setVariable("called", "true");
        if (exchange.getVariable("external_id") == null && !is(exchange, "found")) {
            exchange.setVariable("external_id", UUID.randomUUID().toString()); // never used, but every link has one
        }
        if (record != null && !is(exchange, "delete")) { // else it is gone
            exchange.setVariable("remote", "{}");
        }
        circuits.answered(work.integration().system());
    }

    /** Makes the request: what is new, in the other system's own shape, and its idempotency key. */
    private void prepare(Work work, Map<String, Object> claim, Exchange exchange) throws Exception {
        var base = claim.get("base") == null ? null : map(work, claim.get("base"), exchange);
        exchange.setVariable("mapped_base", base == null ? "{}" : base.toString());
        var record = map(work, claim.get("record"), exchange);
        var request = record.objectNode();
        record.fields().forEachRemaining(field -> {
            var old = base == null ? null : base.get(field.getKey());
            if (old == null ? !field.getValue().isNull() : !field.getValue().equals(BY_VALUE, old)) {
                request.set(field.getKey(), field.getValue());
            }
        });
        var hubId = request.path("metadata").path("hub_id");
        if (exchange.getVariable("hub") != null && !hubId.isMissingNode() && !hubId.isNull()) {
            ((ObjectNode) request.get("metadata")).put("hub", exchange.getVariable("hub", String.class));
        }
        exchange.getMessage().setBody(request.toString());
        request.fieldNames().forEachRemaining(name -> {
            if (name.contains("/") && exchange.getVariable("part") == null) {
                exchange.setVariable("part", name);
            }
        });
        // A request of before there were installations was hashed as it was printed then.
        exchange.setVariable("idempotency_key", claim.get("key_prefix") + ":" + Hash.of(exchange.getVariable("hub") == null ? request.toPrettyString() : request.toString()));
    }

    private ObjectNode map(Work work, Object record, Exchange exchange) throws Exception {
        exchange.getMessage().setBody(record);
        mappings.send(work.integration().mappings() + "-from-hub", exchange);
        return exchange.getMessage().getBody(ObjectNode.class);
    }

    private boolean isAgain(Exchange exchange) {
        if (!exchange.getVariable("result").equals("again")) {
            return false;
        }
        try {
            Thread.sleep(pauseMillis);
            return true;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("it ends", e);
        }
    }

    private void settle(Work work, Map<String, Object> claim, Exchange exchange) {
        try {
            claims.settle(work, claim.get("token"), exchange);
        } catch (DataIntegrityViolationException | BadSqlGrammarException | UncategorizedSQLException e) {
            describe(exchange, e);
            return;
        }
        if (work.changedAt() != null) {
            meters.timer("bactrian.change.latency", Tags.of("system", work.integration().system(), "entity", work.integration().entity()))
                    .record(Math.max(0, System.currentTimeMillis() - work.changedAt()), TimeUnit.MILLISECONDS);
        }
    }

    private void describe(Exchange exchange, Exception failure) {
        exchange.setProperty(Exchange.EXCEPTION_CAUGHT, failure);
        failures.describe(exchange);
    }

    private void ask(Work work, String route, Exchange exchange) throws Exception {
        permits.prepare(exchange, work.integration().system());
        mappings.send(route, exchange);
    }

    private static boolean is(Exchange exchange, String action) {
        return action.equals(exchange.getVariable("action"));
    }
}
