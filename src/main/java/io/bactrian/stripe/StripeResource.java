package io.bactrian.stripe;

import static com.stripe.net.ApiResource.RequestMethod.DELETE;
import static com.stripe.net.ApiResource.RequestMethod.GET;
import static com.stripe.net.ApiResource.RequestMethod.POST;

import com.stripe.net.ApiResource.RequestMethod;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.TreeMap;

/**
 * A kind of Stripe object: its name in a URI, its path at Stripe, and what can be done with it. The table of all of them follows
 * <a href="https://docs.stripe.com/api">Stripe's API reference</a>; a new resource or verb is one line here.
 */
record StripeResource(String name, String path, Map<String, Verb> verbs) {

    /**
     * Something to do with a resource.
     *
     * @param http       the HTTP method
     * @param suffix     what follows the resource's path, with {@code {id}} in the place of the object's id
     * @param parameters whether the message's body is sent along; a retrieve or a delete ignores it
     */
    record Verb(RequestMethod http, String suffix, boolean parameters) {

        boolean needsId() {
            return suffix.contains("{id}");
        }
    }

    private static final Map<String, Verb> VERBS = Map.of(
            "create", new Verb(POST, "", true),
            "retrieve", new Verb(GET, "/{id}", false),
            "update", new Verb(POST, "/{id}", true),
            "delete", new Verb(DELETE, "/{id}", false),
            "list", new Verb(GET, "", true),
            "search", new Verb(GET, "/search", true));

    private static final Map<String, StripeResource> ALL = new TreeMap<>();

    static {
        add("account", "account", "")
                .verb("retrieve", new Verb(GET, "", false));
        add("balanceTransactions", "balance_transactions", "retrieve list");
        add("charges", "charges", "create retrieve update list search")
                .action("capture", "capture");
        add("checkoutSessions", "checkout/sessions", "create retrieve update list")
                .action("expire", "expire");
        add("coupons", "coupons", "create retrieve update delete list");
        add("creditNotes", "credit_notes", "create retrieve update list")
                .action("void", "void", "voidCreditNote");
        add("customers", "customers", "create retrieve update delete list search");
        add("disputes", "disputes", "retrieve update list")
                .action("close", "close");
        add("events", "events", "retrieve list");
        add("invoiceItems", "invoiceitems", "create retrieve update delete list");
        add("invoices", "invoices", "create retrieve update delete list search")
                .action("add_lines", "addLines")
                .action("attach_payment", "attachPayment")
                .action("finalize", "finalize", "finalizeInvoice")
                .action("mark_uncollectible", "markUncollectible")
                .action("pay", "pay")
                .action("remove_lines", "removeLines")
                .action("send", "send", "sendInvoice")
                .action("update_lines", "updateLines")
                .action("void", "void", "voidInvoice")
                .verb("createPreview", new Verb(POST, "/create_preview", true))
                .verb("listLines", new Verb(GET, "/{id}/lines", true));
        add("paymentIntents", "payment_intents", "create retrieve update list search")
                .action("cancel", "cancel")
                .action("capture", "capture")
                .action("confirm", "confirm");
        add("paymentMethods", "payment_methods", "create retrieve update list")
                .action("attach", "attach")
                .action("detach", "detach");
        add("payouts", "payouts", "create retrieve update list")
                .action("cancel", "cancel")
                .action("reverse", "reverse");
        add("plans", "plans", "create retrieve update delete list");
        add("prices", "prices", "create retrieve update list search");
        add("products", "products", "create retrieve update delete list search");
        add("promotionCodes", "promotion_codes", "create retrieve update list");
        add("refunds", "refunds", "create retrieve update list")
                .action("cancel", "cancel");
        add("setupIntents", "setup_intents", "create retrieve update list")
                .action("cancel", "cancel")
                .action("confirm", "confirm");
        add("subscriptionItems", "subscription_items", "create retrieve update list")
                .verb("delete", new Verb(DELETE, "/{id}", true));
        add("subscriptions", "subscriptions", "create retrieve update list search")
                .action("resume", "resume")
                .verb("cancel", new Verb(DELETE, "/{id}", true));
        add("taxRates", "tax_rates", "create retrieve update list");
        add("webhookEndpoints", "webhook_endpoints", "create retrieve update delete list");
    }

    private static StripeResource add(String name, String path, String verbs) {
        var resource = new StripeResource(name, "/v1/" + path, new TreeMap<>());
        for (var verb : verbs.isEmpty() ? new String[0] : verbs.split(" ")) {
            resource.verb(verb, VERBS.get(verb));
        }
        ALL.put(name, resource);
        return resource;
    }

    private StripeResource action(String segment, String... names) {
        for (var name : names) {
            verb(name, new Verb(POST, "/{id}/" + segment, true));
        }
        return this;
    }

    private StripeResource verb(String name, Verb verb) {
        verbs.put(name, verb);
        return this;
    }

    /**
     * Finds a resource by its name in a URI.
     *
     * @throws IllegalArgumentException when there is none; the message lists those that there are
     */
    static StripeResource named(String name) {
        var resource = ALL.get(name);
        if (resource == null) {
            throw new IllegalArgumentException("Unknown Stripe resource '" + name + "'. Known: " + String.join(", ", ALL.keySet()));
        }
        return resource;
    }

    /**
     * Finds what {@code method} means for this resource.
     *
     * @throws IllegalArgumentException when it means nothing; the message lists the methods that do
     */
    Verb verb(String method) {
        var verb = verbs.get(method);
        if (verb == null) {
            throw new IllegalArgumentException("Unknown method '" + method + "' for stripe:" + name + ". Known: " + String.join(", ", verbs.keySet()));
        }
        return verb;
    }

    /** The path for a verb, the id (null where none is needed) encoded as one path segment, whatever it contains. */
    String path(Verb verb, String id) {
        if (!verb.needsId()) {
            return path + verb.suffix();
        }
        if (id == null || id.isBlank() || id.equals(".") || id.equals("..")) {
            throw new IllegalArgumentException("The header " + StripeHeaders.OBJECT_ID + " of a message to stripe:" + name
                    + " must hold the object's id");
        }
        return path + verb.suffix().replace("{id}", URLEncoder.encode(id, StandardCharsets.UTF_8).replace("+", "%20"));
    }
}
