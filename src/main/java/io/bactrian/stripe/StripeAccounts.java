package io.bactrian.stripe;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.bactrian.sync.Inbound;
import io.bactrian.sync.RemoteSystem;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import org.apache.camel.CamelContext;
import org.apache.camel.CamelContextAware;
import org.apache.camel.Exchange;

/** The accounts of Stripe's: the systems whose routes have the prefix {@code stripe}, each with a component, and so a key, and a webhook secret of its own. */
public final class StripeAccounts implements CamelContextAware {

    private static final String PREFIX = "stripe";
    /** Where a page of events goes on: on the way back to the oldest, or from there to the newest. */
    private static final String OLDER = "older than ";
    private static final String NEWER = "newer than ";

    private Inbound inbound;
    private StripeCalls calls;
    private CamelContext camel;
    private Map<String, Account> accounts;

    /** What takes an account's events, and checks that they are its own. */
    record Account(StripeEvents events, StripeSignature signature) {
    }

    /** What events are handed to. */
    public void setInbound(Inbound inbound) {
        this.inbound = inbound;
    }

    /** What lists events. */
    public void setCalls(StripeCalls calls) {
        this.calls = calls;
    }

    /** An account by its system's name. */
    Optional<Account> of(String system) {
        return Optional.ofNullable(accounts().get(system));
    }

    /**
     * Reads a page of an account's events, the oldest first. In: the variables system, background; since, in seconds; and next: what the page before said, null for
     * the first one. Out: body {data, next, reached}: next null after the last page, reached the time of the newest event; the variable at.
     *
     * <p>Stripe lists the newest first. So there is a way back to the oldest page, whose pages tell no events; from there each page is the one before the newest
     * event so far, and one that shows up between two others meanwhile is not skipped. Mostly there is one page.
     */
    public void events(Exchange exchange) throws Exception {
        exchange.setVariable("resource", "events");
        var place = exchange.getVariable("next", "", String.class);
        var request = StripeCalls.since(exchange.getVariable("since", Long.class));
        if (place.startsWith(NEWER)) {
            request.put("ending_before", place.substring(NEWER.length()));
        } else if (place.startsWith(OLDER)) {
            request.put("starting_after", place.substring(OLDER.length()));
        }
        exchange.getMessage().setBody(oldestFirst(calls.page(exchange, request), place));
    }

    /** The page as {@link #events} tells it; {@code place} is where it began. */
    static ObjectNode oldestFirst(JsonNode page, String place) {
        var json = JsonNodeFactory.instance;
        var events = json.arrayNode();
        if (page.path("has_more").asBoolean() && !place.startsWith(NEWER)) {
            return json.objectNode().put("next", OLDER + StripeCalls.last(page)).set("data", events);
        }
        page.path("data").forEach(event -> events.insert(0, event));
        if (events.isEmpty() && place.startsWith(OLDER)) {
            throw new IllegalStateException("the oldest events are gone meanwhile");
        }
        var newest = events.path(events.size() - 1);
        var told = json.objectNode().put("next", events.isEmpty() || place.isEmpty() ? null : NEWER + newest.path("id").asText());
        told.set("reached", newest.get("created"));
        return told.set("data", events);
    }

    /** Applies the events of a page: see {@link StripeEvents#takeListed}. In: body an array of them; the variable system. Out: body whether one must wait. */
    public void takeListed(Exchange exchange) throws Exception {
        var page = exchange.getMessage().getBody(JsonNode.class);
        exchange.getMessage().setBody(accounts().get(exchange.getVariable("system", String.class)).events.takeListed(page));
    }

    private synchronized Map<String, Account> accounts() {
        if (accounts == null) {
            accounts = RemoteSystem.of(camel).values().stream().filter(system -> system.prefix().equals(PREFIX)).collect(Collectors.toMap(RemoteSystem::name, this::account));
        }
        return accounts;
    }

    private Account account(RemoteSystem system) {
        var events = new StripeEvents();
        events.setCamelContext(camel);
        events.setSystem(system.name());
        events.setComponent(system.component());
        events.setInbound(inbound);
        // One without secrets refuses all.
        return new Account(events, Optional.ofNullable(camel.getRegistry().lookupByNameAndType(system.signature(), StripeSignature.class)).orElseGet(StripeSignature::new));
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
