package io.bactrian.sync;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.bactrian.store.InboundEvent;
import io.bactrian.store.Inbox;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Timer;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import javax.sql.DataSource;
import org.apache.camel.CamelContext;
import org.apache.camel.CamelContextAware;
import org.apache.camel.Exchange;

/**
 * Takes what other systems say of their objects: maps it to a row's columns by the route {@code direct:<mappings>-to-hub}, and applies it. One for all
 * systems: what it knows of each is said by the parameters of the template integration.
 */
public final class Inbound implements CamelContextAware {

    private static final ObjectMapper JSON = new ObjectMapper();
    private static final String IGNORED = "ignored";
    private static final int PAGE = 100;

    private final Map<String, Timer> timers = new ConcurrentHashMap<>();
    private Failures failures;
    private DataSource dataSource;
    private CamelContext camel;
    private volatile Machinery machinery;

    /** What can only be had once the routes are known. */
    private record Machinery(Map<String, Integration> integrations, Map<String, Integration> byEntity, Inbox inbox, Mappings mappings) {
    }

    /** The hub. */
    public void setDataSource(DataSource dataSource) {
        this.dataSource = dataSource;
    }

    /** Tells what a mapping's failure means. */
    public void setFailures(Failures failures) {
        this.failures = failures;
    }

    /**
     * Applies what an event says, once.
     *
     * @param object what the system calls such an object, as the template's parameter {@code object} does. One that nobody syncs is ignored
     * @param event as {@link InboundEvent} describes it
     * @param state the object as the system spells it; null when it is gone, or when the event only says that something happened
     * @param previous the same before the event; null when that is not told
     * @return what it came to, after the commit: see {@link Inbox#add}. It fails with a DataIntegrityViolationException when Postgres can never
     *         store the event, with an IllegalStateException when what the mapping needs is away, and with another DataAccessException
     *         when the event can be repeated
     */
    public CompletableFuture<String> apply(String system, String object, ObjectNode event, JsonNode state, JsonNode previous) {
        var integration = machinery().integrations.get(system + "/" + object);
        if (integration == null) {
            return CompletableFuture.completedFuture(IGNORED);
        }
        InboundEvent mapped;
        try {
            mapped = map(integration, event, state, previous);
        } catch (IllegalStateException e) {
            return CompletableFuture.failedFuture(e);
        }
        return machinery().inbox.add(mapped).whenComplete((outcome, failure) -> {
            if (failure == null) {
                measure(integration, outcome, event.path("at").asLong());
            }
        });
    }

    /**
     * Maps an object that a worker has, completed if need be. In: body the object, as the system spells it; the variables system, entity and those of calls. Out:
     * body the row's columns.
     */
    public void map(Exchange exchange) throws Exception {
        machinery().mappings.toHub(machinery().byEntity.get(exchange.getVariable("system") + "/" + exchange.getVariable("entity")), exchange);
    }

    /**
     * Reads an object, by the route {@code direct:read-<prefix>}, which gets the variables resource and external_id, tells in {@code at} when that was, in seconds by
     * the system's clock, and fails where there is none. In: the variables system, entity, external_id. Out: body the object.
     */
    public void read(Exchange exchange) throws Exception {
        var integration = machinery().byEntity.get(exchange.getVariable("system") + "/" + exchange.getVariable("entity"));
        exchange.setVariable("resource", integration.resource());
        machinery().mappings.send("read-" + integration.prefix(), exchange);
    }

    /**
     * Completes an object that a worker has read. In and out: body the object, as the system spells it; the variables system, entity and those of calls.
     */
    public void complete(Exchange exchange) throws Exception {
        machinery().mappings.complete(machinery().byEntity.get(exchange.getVariable("system") + "/" + exchange.getVariable("entity")), exchange);
    }

    /**
     * The same as {@link #apply(String, String, ObjectNode, JsonNode, JsonNode)} for a route. In: body {@code {object, previous}}, as the system spells them,
     * either null; the variable event. Out: the variable outcome.
     */
    public void apply(String system, String object, Exchange exchange) throws Exception {
        var states = exchange.getMessage().getBody(JsonNode.class);
        var event = (ObjectNode) JSON.readTree(exchange.getVariable("event", String.class));
        var integration = machinery().byEntity.get(system + "/" + exchange.getVariable("entity"));
        // An event that an older version kept does not say what it is about.
        var kind = event.hasNonNull("object") || integration == null ? object : integration.object();
        try {
            exchange.setVariable("outcome", apply(system, kind, event, orNull(states.path("object")), orNull(states.path("previous"))).join());
        } catch (CompletionException e) {
            throw e.getCause() instanceof Exception cause ? cause : e;
        }
    }

    /** Applies events that were kept and may be applied now, oldest first, {@code batch} at a time; how many. */
    public int release(int batch) {
        return machinery().inbox.release(batch);
    }

    /**
     * Compares one page of a reconcile, and applies what it brings here.
     *
     * @param position where the run was when it was asked for; when it has gone on since, nothing is done
     */
    public void compare(Integration integration, long runId, String step, String position) {
        machinery().inbox.compare(runId, step, position, integration.system(), integration.entity(), integration.fields(), integration.policy(), integration.match(), PAGE);
    }

    private InboundEvent map(Integration integration, ObjectNode event, JsonNode state, JsonNode previous) {
        var told = event.deepCopy().put("object", integration.object());
        try {
            var untold = state == null ? List.<String>of() : machinery().mappings.untold(integration, state);
            if (!untold.isEmpty()) {
                told.put("partial", true).put("look", previous == null || untold.stream().anyMatch(key -> !previous.path(key).equals(state.path(key))));
            }
            // What was not told of the object before cannot be told from what is nothing.
            var before = previous != null && untold.isEmpty() && !machinery().mappings.untold(integration, previous).isEmpty() ? null : previous;
            return event(integration, told, machinery().mappings.told(integration, state), machinery().mappings.told(integration, before), null);
        } catch (Exception e) {
            if (failures.passes(e)) {
                throw new IllegalStateException("what the mapping of " + integration.system() + " needs is away", e);
            }
            return event(integration, told, null, null, "the route %s-to-hub cannot map this object to a row".formatted(integration.mappings()));
        }
    }

    private static InboundEvent event(Integration integration, ObjectNode event, String remote, String previous, String error) {
        return new InboundEvent(integration.system(), integration.entity(), integration.fields(), integration.policy(), event, remote, previous, error);
    }

    private void measure(Integration integration, String outcome, long at) {
        timers.computeIfAbsent(integration.system() + "/" + integration.entity() + "/" + outcome, key -> camel.getRegistry().findSingleByType(MeterRegistry.class)
                .timer("bactrian.event.latency", "system", integration.system(), "entity", integration.entity(), "outcome", outcome))
                .record(Math.max(0, System.currentTimeMillis() - at * 1000), TimeUnit.MILLISECONDS);
    }

    private Machinery machinery() {
        var known = machinery;
        return known == null ? make() : known;
    }

    private synchronized Machinery make() {
        if (machinery == null) {
            var all = Integration.of(camel);
            machinery = new Machinery(
                    all.stream().filter(one -> one.object() != null).collect(Collectors.toMap(one -> one.system() + "/" + one.object(), one -> one)),
                    all.stream().collect(Collectors.toMap(one -> one.system() + "/" + one.entity(), one -> one)),
                    new Inbox(dataSource, camel.getExecutorServiceManager().newCachedThreadPool(this, "inbox")), new Mappings(camel));
        }
        return machinery;
    }

    private static JsonNode orNull(JsonNode node) {
        return node.isNull() || node.isMissingNode() ? null : node;
    }

    @Override
    public CamelContext getCamelContext() {
        return camel;
    }

    @Override
    public void setCamelContext(CamelContext camelContext) {
        camel = camelContext;
    }
}
