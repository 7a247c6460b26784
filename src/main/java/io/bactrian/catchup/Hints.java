package io.bactrian.catchup;

import static io.bactrian.catchup.Statements.with;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.bactrian.sync.Failures;
import io.bactrian.sync.Inbound;
import io.bactrian.sync.Integration;
import java.math.BigDecimal;
import java.util.Map;
import java.util.concurrent.CompletionException;
import java.util.stream.Collectors;
import javax.sql.DataSource;
import org.apache.camel.CamelContext;
import org.apache.camel.CamelContextAware;
import org.apache.camel.Exchange;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Reads the objects of events that do not tell what happened, and applies what they are like now. Such an event is of another API version, or thin, or does not tell
 * its object whole. It waits in sync.event where its object has no record yet; the worker of a linked record reads its object by itself.
 */
public final class Hints implements CamelContextAware {

    private static final Logger LOG = LoggerFactory.getLogger(Hints.class);
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final int LIMIT = 20;
    private static final int DAY = 86_400;

    private Statements statements;
    private Inbound inbound;
    private Failures failures;
    private CamelContext camel;
    private Machinery machinery;

    /** What can only be had once the routes are known: the integrations by system and entity. */
    private record Machinery(Map<String, Integration> integrations, Routes routes) {
    }

    /** Reads some of a system's, the oldest first. */
    public void read(String system) {
        for (var hint : statements.rows("sql/hint-take.sql", with("system", system).addValue("limit", LIMIT))) {
            take(system, (String) hint.get("event_id"), (String) hint.get("entity"), (String) hint.get("event"));
        }
    }

    private void take(String system, String id, String entity, String event) {
        boolean read = false;
        try {
            var hint = (ObjectNode) JSON.readTree(event);
            var exchange = machinery().routes.exchange(system);
            exchange.setVariable("entity", entity);
            exchange.setVariable("external_id", hint.path("external_id").asText());
            inbound.read(exchange);
            read = true;
            var at = new BigDecimal(exchange.getVariable("at", String.class));
            inbound.complete(exchange);
            apply(system, entity, hint, at, exchange);
        } catch (Exception e) {
            putOff(system, id, e, read);
        }
    }

    private void apply(String system, String entity, ObjectNode hint, BigDecimal at, Exchange exchange) throws Exception {
        var object = exchange.getMessage().getBody(JsonNode.class);
        boolean gone = object.path("deleted").asBoolean();
        // One that an older version kept does not say what it is about.
        var kind = hint.path("object").asText(machinery().integrations.get(system + "/" + entity).object());
        try {
            inbound.apply(system, kind, event(hint, object, at, gone), gone ? null : object, null).join();
        } catch (CompletionException e) {
            throw e.getCause() instanceof Exception cause ? cause : e;
        }
    }

    /** The event that tells what the object is like now. Only what was made long before the event counts as imported, however late it is read. */
    private static ObjectNode event(ObjectNode hint, JsonNode object, BigDecimal at, boolean gone) {
        var event = hint.deepCopy().put("at", at).put("deleted", gone).putNull("key").put("read", true);
        if (hint.path("made").asLong(Long.MAX_VALUE) >= hint.path("at").asLong() - DAY) {
            event.putNull("made");
        }
        event.set("hub_id", object.path("metadata").get("hub_id"));
        event.set("hub", object.path("metadata").get("hub"));
        event.remove("hint");
        return event;
    }

    /** An object that is not there is nothing new. */
    private void putOff(String system, String id, Exception failure, boolean read) {
        var refusal = failures.refusal(system, failure);
        var event = with("system", system).addValue("event_id", id);
        if (refusal.isGone() && !read) {
            statements.row("sql/hint-end.sql", event);
            return;
        }
        LOG.warn("the object of event {} cannot be read or applied now, it is tried again ({})", id, failure.getClass().getSimpleName());
        statements.row("sql/hint-put-off.sql", event.addValue("denied", refusal.isDenied()).addValue("permission", refusal.permission())
                .addValue("lasting", refusal.lasting()).addValue("reason", refusal.reason()));
    }

    public void setDataSource(DataSource dataSource) {
        statements = new Statements(dataSource);
    }

    /** Reads and applies objects. */
    public void setInbound(Inbound inbound) {
        this.inbound = inbound;
    }

    /** Tells what a refusal means. */
    public void setFailures(Failures failures) {
        this.failures = failures;
    }

    private synchronized Machinery machinery() {
        if (machinery == null) {
            machinery = new Machinery(Integration.of(camel).stream().collect(Collectors.toMap(one -> one.system() + "/" + one.entity(), one -> one)), new Routes(camel));
        }
        return machinery;
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
