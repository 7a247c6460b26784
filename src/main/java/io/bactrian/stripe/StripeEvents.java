package io.bactrian.stripe;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.time.OffsetDateTime;
import java.time.format.DateTimeParseException;
import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.camel.CamelContext;
import org.apache.camel.CamelContextAware;
import org.apache.camel.Exchange;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Tells whose an event is, and whether what it says of its object can be taken as it is.
 *
 * @see <a href="https://docs.stripe.com/api/events/object">The event object</a>: {@code account} is there when the event is a connected account's, and
 *      {@code data.object} is spelled in {@code api_version}, whatever version a later reader asks for
 */
public final class StripeEvents implements CamelContextAware {

    private static final Logger LOG = LoggerFactory.getLogger(StripeEvents.class);
    private static final String THIN = "v2.core.event";
    /** How the types of thin events about objects of version 1 of the API begin: {@code v1.customer.updated}. */
    private static final String ABOUT_V1 = "v1.";

    private final AtomicBoolean thinSeen = new AtomicBoolean();
    private CamelContext camel;
    private String component = "stripe";

    /** The name of the component whose key, account and API version count. */
    public void setComponent(String component) {
        this.component = component;
    }

    /**
     * Judges an event. In: the body, a JSON object or anything else that was signed; the variable {@code listed}, true when it was found in a list of
     * events, which only has the account's own.
     *
     * <p>Out: the variable {@code standing}: {@code ours}; {@code hint}, something happened to the object
     * and only reading it tells what; {@code ignored_account}, {@code ignored_mode}, {@code ignored_thin}. The body of a thin event about an object of
     * version 1 becomes that of a usual event without values.
     */
    public void judge(Exchange exchange) {
        var event = exchange.getMessage().getBody(JsonNode.class);
        var options = camel.getComponent(component, StripeComponent.class).options();
        var thin = event != null && THIN.equals(event.path("object").asText()) && isNamed(event);
        var standing = standing(event, options, thin, exchange.getVariable("listed", false, Boolean.class));
        if (thin && standing.equals("hint")) {
            exchange.getMessage().setBody(usual(event));
        }
        if (thin && thinSeen.compareAndSet(false, true)) {
            LOG.warn("This destination sends thin events, which do not say what changed: choose snapshot in Stripe's dashboard, under Developers, Webhooks");
        }
        exchange.setVariable("standing", standing);
    }

    private static String standing(JsonNode event, StripeOptions options, boolean thin, boolean listed) {
        if (event == null || !event.isObject()) {
            return "ours"; // no event, as whoever reads it will find
        } else if (event.path("livemode").isBoolean() && options.isLive() != null && event.get("livemode").asBoolean() != options.isLive()) {
            return "ignored_mode";
        } else if (!isOurs(event.path(thin ? "context" : "account"), options.stripeAccount(), listed)) {
            return "ignored_account";
        } else if (thin) {
            return event.path("type").asText().startsWith(ABOUT_V1) && isNamed(event.path("related_object")) ? "hint" : "ignored_thin";
        }
        // Emulators send none; Stripe itself always does.
        return event.path("api_version").isMissingNode() || event.get("api_version").isNull() || options.version().equals(event.get("api_version").asText())
                ? "ours" : "hint";
    }

    /** A list of events is that of the account that is asked for; its events need not say so. */
    private static boolean isOurs(JsonNode account, String ours, boolean listed) {
        var none = account.isMissingNode() || account.isNull();
        return none ? listed || ours.isEmpty() : ours.equals(account.asText());
    }

    private static boolean isNamed(JsonNode thing) {
        return thing.path("id").isTextual() && thing.path("type").isTextual();
    }

    /** {@code {id, type, created, data: {object: {id, object}}}} of a thin event. */
    private static ObjectNode usual(JsonNode thin) {
        var json = JsonNodeFactory.instance;
        var related = thin.path("related_object");
        var object = json.objectNode();
        object.set("id", related.path("id"));
        object.set("object", related.path("type"));
        var event = json.objectNode();
        event.set("id", thin.get("id"));
        event.put("type", thin.get("type").asText().replaceFirst("^v1\\.", ""));
        event.put("created", seconds(thin.path("created").asText()));
        event.set("data", json.objectNode().set("object", object));
        return event;
    }

    /** Seconds since the epoch, of a text such as 2026-11-28T10:00:00.000Z; now, when it is none. */
    private static long seconds(String time) {
        try {
            return OffsetDateTime.parse(time).toEpochSecond();
        } catch (DateTimeParseException e) {
            return System.currentTimeMillis() / 1000;
        }
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
