package io.bactrian.stripe;

import com.fasterxml.jackson.databind.JsonNode;
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

    private Inbound inbound;
    private CamelContext camel;
    private Map<String, Account> accounts;

    /** What takes an account's events, and checks that they are its own. */
    record Account(StripeEvents events, StripeSignature signature) {
    }

    /** What events are handed to. */
    public void setInbound(Inbound inbound) {
        this.inbound = inbound;
    }

    /** An account by its system's name. */
    Optional<Account> of(String system) {
        return Optional.ofNullable(accounts().get(system));
    }

    /** Applies the events of a page: see {@link StripeEvents#takeListed}. In: body the page; the variable system. Out: body whether one must wait. */
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
