package io.bactrian.stripe;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.bactrian.sync.Inbound;
import io.micrometer.core.instrument.MeterRegistry;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.time.OffsetDateTime;
import java.time.format.DateTimeParseException;
import java.util.ArrayList;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.camel.CamelContext;
import org.apache.camel.CamelContextAware;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.springframework.dao.DataAccessException;
import org.springframework.dao.DataIntegrityViolationException;
import org.springframework.dao.NonTransientDataAccessResourceException;

/**
 * Takes Stripe's events, however they came: tells whose each is, and whether what it says of its object can be taken as it is, and hands it on.
 *
 * @see <a href="https://docs.stripe.com/api/events/object">The event object</a>: {@code account} is there when the event is a connected account's, and
 *      {@code data.object} is spelled in {@code api_version}, whatever version a later reader asks for
 */
public final class StripeEvents implements CamelContextAware {

    private static final Logger LOG = LoggerFactory.getLogger(StripeEvents.class);
    private static final String THIN = "v2.core.event";
    /** How the types of thin events about objects of version 1 of the API begin: {@code v1.customer.updated}. */
    private static final String ABOUT_V1 = "v1.";

    private static final String HINT = "hint";
    private static final int MAX_ID = 255;

    private final AtomicBoolean thinSeen = new AtomicBoolean();
    private volatile boolean accountTried;
    private String system = "stripe";
    private Inbound inbound;
    private CamelContext camel;
    private String component = "stripe";

    /** The name of the component whose key, account and API version count. */
    public void setComponent(String component) {
        this.component = component;
    }

    /** The name of the system whose account this is, as in sync.link. */
    public void setSystem(String system) {
        this.system = system;
    }

    /** What events are handed to. */
    public void setInbound(Inbound inbound) {
        this.inbound = inbound;
    }

    /**
     * Applies an event, once.
     *
     * @param event anything that was signed
     * @param listed whether it was found in a list of events, which only has the account's own
     * @return what it came to, as {@link Inbound#apply} tells it, or {@code ignored_account}, {@code ignored_mode}, {@code ignored_thin} when it is none of
     *         ours. It fails with an IllegalArgumentException when it is no event, and else as {@link Inbound#apply} does
     */
    public CompletableFuture<String> take(JsonNode event, boolean listed) {
        knowAccount();
        var standing = judge(event, listed);
        if (standing.startsWith("ignored")) {
            return CompletableFuture.completedFuture(standing);
        }
        var usual = standing.equals(HINT) && isThin(event) ? usual(event) : event;
        if (!isEvent(usual)) {
            return CompletableFuture.failedFuture(new IllegalArgumentException("not an event"));
        }
        var object = usual.path("data").path("object");
        var gone = object.path("deleted").asBoolean() || usual.get("type").asText().endsWith(".deleted");
        var hint = standing.equals(HINT) && !gone;
        return inbound.apply(system, kind(usual.get("type").asText(), object), inHubTerms(usual, object, gone, hint), gone || hint ? null : object,
                gone || hint ? null : previous(usual.get("data")));
    }

    /**
     * Applies the events of a page, oldest first.
     *
     * @param events an array of those that are not in the ledger
     * @return whether one of them must wait, for a row that somebody has locked, say: the others do not wait for it. What Postgres or the mapping can never
     *         take is told in the log and passed over, as the webhook does by answering 400
     */
    boolean takeListed(JsonNode events) throws Exception {
        var taken = new ArrayList<CompletableFuture<String>>();
        events.forEach(event -> taken.add(take(event, true)));
        var late = false;
        for (var one : taken) {
            var outcome = outcome(one);
            late |= outcome.equals("late");
            if (outcome.equals("refused")) {
                LOG.warn("One of Stripe's events cannot be stored or is none, and is passed over");
            }
            camel.getRegistry().findSingleByType(MeterRegistry.class).counter("bactrian.poll.events", "system", system, "outcome", outcome).increment();
        }
        return late;
    }

    private static String outcome(CompletableFuture<String> taken) throws Exception {
        try {
            return taken.join();
        } catch (CompletionException e) {
            if (e.getCause() instanceof DataIntegrityViolationException || e.getCause() instanceof IllegalArgumentException) {
                return "refused";
            } else if (e.getCause() instanceof IllegalStateException
                    || e.getCause() instanceof DataAccessException && !(e.getCause() instanceof NonTransientDataAccessResourceException)) {
                return "late";
            }
            throw (Exception) e.getCause();
        }
    }

    /** Which account the key belongs to is to be known first; when that cannot be read, events do not wait for it. */
    private void knowAccount() {
        if (!accountTried) {
            askForAccount();
        }
    }

    private synchronized void askForAccount() {
        if (!accountTried && camel.getVariable(accountVariable()) == null) {
            try (var routes = camel.createProducerTemplate()) {
                var known = routes.request("direct:know-stripe-account?block=false&failIfNoConsumers=false", one -> one.setVariable("system", system));
                if (known.getException() != null) {
                    LOG.warn("{}'s account is not known to be the right one ({}) while its events come", system, known.getException().getClass().getSimpleName());
                }
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
        accountTried = true;
    }

    private String accountVariable() {
        return "global:" + system + "_account";
    }

    private static boolean isEvent(JsonNode event) {
        return event != null && event.path("id").isTextual() && event.get("id").asText().length() <= MAX_ID && event.path("type").isTextual()
                && event.path("created").isNumber() && event.path("data").path("object").isObject();
    }

    /** What such an object is called, or a word for nothing that anybody syncs: a preview of an invoice, say, has no id. */
    private static String kind(String type, JsonNode object) {
        return !type.equals("invoice.upcoming") && object.path("id").isTextual() && object.get("id").asText().length() <= MAX_ID
                ? object.path("object").asText() : "nothing";
    }

    /** As {@code io.bactrian.store.InboundEvent} describes it. */
    private static ObjectNode inHubTerms(JsonNode event, JsonNode object, boolean gone, boolean hint) {
        var told = JsonNodeFactory.instance.objectNode();
        told.set("id", event.get("id"));
        told.set("type", event.get("type"));
        told.set("at", event.get("created"));
        told.set("key", orNull(event.path("request").path("idempotency_key")));
        told.set("external_id", object.get("id"));
        told.set("hub_id", orNull(object.path("metadata").path("hub_id")));
        told.set("hub", orNull(object.path("metadata").path("hub")));
        told.set("made", object.path("created").isNumber() ? object.get("created") : null);
        told.put("deleted", gone);
        if (hint) {
            told.put("hint", true).set("object", object.get("object"));
        }
        return told;
    }

    private static JsonNode orNull(JsonNode node) {
        return node.isMissingNode() ? null : node;
    }

    /** The object before the event, when that can be told: of a list of which a part came only, it cannot. */
    private static JsonNode previous(JsonNode data) {
        if (!data.path("previous_attributes").isObject() || hasMoreLines(data.get("object"))) {
            return null;
        }
        var previous = data.get("object").deepCopy();
        rewind((ObjectNode) previous, data.get("previous_attributes"));
        return hasMoreLines(previous) ? null : previous;
    }

    private static boolean hasMoreLines(JsonNode object) {
        return object.path("lines").path("has_more").asBoolean();
    }

    private static void rewind(ObjectNode object, JsonNode previous) {
        previous.fields().forEachRemaining(field -> {
            if (field.getValue().isObject() && object.path(field.getKey()).isObject()) {
                rewind((ObjectNode) object.get(field.getKey()), field.getValue());
            } else {
                object.set(field.getKey(), field.getValue());
            }
        });
    }

    /**
     * Whose an event is: {@code ours}; {@code hint}, something happened to the object
     * and only reading it tells what; {@code ignored_account}, {@code ignored_mode}, {@code ignored_thin}.
     */
    String judge(JsonNode event, boolean listed) {
        if (isThin(event) && thinSeen.compareAndSet(false, true)) {
            LOG.warn("This destination sends thin events, which do not say what changed: choose snapshot in Stripe's dashboard, under Developers, Webhooks");
        }
        return standing(event, camel.getComponent(component, StripeComponent.class).options(), isThin(event), listed, (String) camel.getVariable(accountVariable()));
    }

    private static boolean isThin(JsonNode event) {
        return event != null && THIN.equals(event.path("object").asText()) && isNamed(event);
    }

    private static String standing(JsonNode event, StripeOptions options, boolean thin, boolean listed, String known) {
        if (event == null || !event.isObject()) {
            return "ours"; // no event, as whoever reads it will find
        } else if (event.path("livemode").isBoolean() && options.isLive() != null && event.get("livemode").asBoolean() != options.isLive()) {
            return "ignored_mode";
        } else if (!isOurs(event.path(thin ? "context" : "account"), options.stripeAccount(), known, listed)) {
            return "ignored_account";
        } else if (thin) {
            return event.path("type").asText().startsWith(ABOUT_V1) && isNamed(event.path("related_object")) ? HINT : "ignored_thin";
        }
        // Emulators send none; Stripe itself always does.
        return event.path("api_version").isMissingNode() || event.get("api_version").isNull() || options.version().equals(event.get("api_version").asText())
                ? "ours" : HINT;
    }

    /** A list of events is that of the account that is asked for; its events need not say so. */
    private static boolean isOurs(JsonNode account, String ours, String known, boolean listed) {
        var none = account.isMissingNode() || account.isNull();
        return none ? listed || ours.isEmpty() : ours.equals(account.asText()) || ours.isEmpty() && account.asText().equals(known);
    }

    private static boolean isNamed(JsonNode thing) {
        return thing.path("id").isTextual() && thing.path("type").isTextual();
    }

    /** A usual event, {@code {id, type, created, data: {object: {id, object}}}}, from a thin one. */
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
