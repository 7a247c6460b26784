package io.bactrian.sandbox.stripe;

import static io.bactrian.sandbox.stripe.Param.param;
import static io.bactrian.sandbox.stripe.Type.bool;
import static io.bactrian.sandbox.stripe.Type.choice;
import static io.bactrian.sandbox.stripe.Type.currency;
import static io.bactrian.sandbox.stripe.Type.integer;
import static io.bactrian.sandbox.stripe.Type.text;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.bactrian.sandbox.stripe.Resource.Filter;
import io.bactrian.sandbox.stripe.Resource.Lifecycle;
import io.bactrian.sandbox.stripe.Resource.Verb;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.EnumSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.Collectors;

/**
 * The resources that the simulator knows, each described once.
 *
 * <p>On create, {@code ""} is refused where the reference does not say that it unsets: a client that leaves empty fields out works either way.
 *
 * @see <a href="https://docs.stripe.com/api">Stripe's API reference</a>; lengths from github.com/stripe/openapi, and those of descriptions and
 *      product names from <a href="https://docs.stripe.com/changelog/2018-10-31">the changelog</a>
 */
final class Resources {

    /** How long a text may be where no limit of its own is documented. */
    static final int LONG_TEXT = 5000;

    private static final JsonNode TEMPLATES = templates();
    private static final Set<String> ALL_EVENTS = Set.of("created", "updated", "deleted");
    private static final Param METADATA = param("metadata", new Type.Metadata()).unsettable();

    static final Params ADDRESS = new Params(
            param("city", text(LONG_TEXT)).unsettable(),
            param("country", text(LONG_TEXT)).unsettable(),
            param("line1", text(LONG_TEXT)).unsettable(),
            param("line2", text(LONG_TEXT)).unsettable(),
            param("postal_code", text(LONG_TEXT)).unsettable(),
            param("state", text(LONG_TEXT)).unsettable());

    private static final Param RECURRING = param("recurring", new Type.Hash(new Params(
            param("interval", choice("day", "week", "month", "year")).mandatory(),
            param("interval_count", integer(1, 1095)),
            param("meter", text(LONG_TEXT)),
            param("trial_period_days", integer(0, 730)),
            param("usage_type", choice("licensed", "metered")))));
    private static final Param TAX_BEHAVIOR = param("tax_behavior", choice("exclusive", "inclusive", "unspecified"));
    private static final Param UNIT_AMOUNT = param("unit_amount", integer(0, Prices.MOST)).steering();
    private static final Param UNIT_AMOUNT_DECIMAL = param("unit_amount_decimal", Type.decimal(0, Prices.MOST)).steering();
    private static final Param CUSTOM_UNIT_AMOUNT = param("custom_unit_amount", new Type.Hash(new Params(
            param("enabled", bool()).mandatory(),
            param("maximum", integer(0, Prices.MOST)),
            param("minimum", integer(0, Prices.MOST)),
            param("preset", integer(0, Prices.MOST))))).steering();
    private static final Param TIERS = param("tiers", new Type.Items(new Type.Hash(new Params(
            param("flat_amount", integer(0, Prices.MOST)),
            param("flat_amount_decimal", Type.decimal(0, Prices.MOST)),
            UNIT_AMOUNT,
            UNIT_AMOUNT_DECIMAL,
            param("up_to", Type.upTo()).mandatory())))).steering();
    private static final Param CURRENCY_OPTIONS = param("currency_options", new Type.ByCurrency(new Type.Hash(new Params(
            CUSTOM_UNIT_AMOUNT, TAX_BEHAVIOR, TIERS, UNIT_AMOUNT, UNIT_AMOUNT_DECIMAL)))).steering();

    static final Resource CUSTOMERS = new Resource("customers", "customer", () -> Ids.shortId("cus_"), template("customer"),
            new Params(
                    param("address", new Type.Hash(ADDRESS)).unsettable(),
                    param("balance", integer()),
                    param("description", text(350)).clearable(),
                    param("email", Type.email()).clearable(),
                    param("invoice_prefix", text(12)),
                    METADATA,
                    param("name", text(256)).clearable(),
                    param("next_invoice_sequence", integer(1, 1_000_000_000)),
                    param("phone", text(20)).clearable(),
                    param("preferred_locales", new Type.Items(text(LONG_TEXT))),
                    param("shipping", new Type.Hash(new Params(
                            param("address", new Type.Hash(ADDRESS)).mandatory(),
                            param("name", text(LONG_TEXT)).mandatory(),
                            param("phone", text(LONG_TEXT)).unsettable()))).unsettable(),
                    param("tax_exempt", choice("none", "exempt", "reverse")).clearable()),
            List.of(Filter.equal("email", text(512))),
            EnumSet.allOf(Verb.class), ALL_EVENTS, true, new Lifecycle() {
                @Override
                public void create(Transaction tx, ObjectNode customer, ObjectNode values) {
                    if (customer.path("invoice_prefix").isNull()) {
                        customer.put("invoice_prefix", Ids.shortId("").substring(0, 8).toUpperCase(Locale.ROOT));
                    }
                }

                @Override
                public void update(Transaction tx, ObjectNode customer, ObjectNode values) {
                    if (customer.path("tax_exempt").isNull()) {
                        customer.put("tax_exempt", "none");
                    }
                }
            }, null, Map.of());

    static final Resource PRODUCTS = new Resource("products", "product", () -> Ids.shortId("prod_"), template("product"),
            new Params(
                    param("active", bool()),
                    param("default_price", new Type.Reference("price")).clearable().updateOnly(),
                    param("default_price_data", new Type.Hash(new Params(
                            param("currency", currency()).mandatory(),
                            CURRENCY_OPTIONS,
                            CUSTOM_UNIT_AMOUNT,
                            METADATA,
                            RECURRING,
                            TAX_BEHAVIOR,
                            UNIT_AMOUNT,
                            UNIT_AMOUNT_DECIMAL))).createOnly().steering(),
                    param("description", text(40_000)).clearable(),
                    param("id", text(LONG_TEXT)).createOnly(),
                    param("images", new Type.Items(text(LONG_TEXT))).clearable(),
                    METADATA,
                    param("name", text(250)).mandatory(),
                    param("package_dimensions", new Type.Hash(new Params(
                            param("height", Type.decimal()).mandatory(),
                            param("length", Type.decimal()).mandatory(),
                            param("weight", Type.decimal()).mandatory(),
                            param("width", Type.decimal()).mandatory()))).clearable(),
                    param("shippable", bool()),
                    param("statement_descriptor", text(22)).clearable(),
                    param("tax_code", text(LONG_TEXT)).clearable(),
                    param("unit_label", text(12)).clearable(),
                    param("url", text(LONG_TEXT)).clearable()),
            List.of(Filter.equal("active", bool()), Filter.equal("ids", new Type.Items(text(LONG_TEXT)), "id"), Filter.equal("url", text(LONG_TEXT))),
            EnumSet.allOf(Verb.class), ALL_EVENTS, false, new Products(), null, Map.of());

    static final Resource PRICES = new Resource("prices", "price", () -> Ids.longId("price_"), template("price"),
            new Params(
                    param("active", bool()),
                    param("billing_scheme", choice("per_unit", "tiered")).createOnly(),
                    param("currency", currency()).mandatory().createOnly(),
                    CURRENCY_OPTIONS,
                    CUSTOM_UNIT_AMOUNT.createOnly(),
                    param("lookup_key", text(200)).clearable(),
                    METADATA,
                    param("nickname", text(LONG_TEXT)).clearable(),
                    param("product", new Type.Reference("product")).mandatory().createOnly(),
                    RECURRING.createOnly(),
                    TAX_BEHAVIOR,
                    TIERS.createOnly(),
                    param("tiers_mode", choice("graduated", "volume")).createOnly(),
                    param("transfer_lookup_key", bool()).steering(),
                    param("transform_quantity", new Type.Hash(new Params(
                            param("divide_by", integer(1, Integer.MAX_VALUE)).mandatory(),
                            param("round", choice("down", "up")).mandatory()))).createOnly(),
                    UNIT_AMOUNT.createOnly(),
                    UNIT_AMOUNT_DECIMAL.createOnly()),
            List.of(Filter.equal("active", bool()), Filter.equal("currency", currency()), Filter.equal("product", text(LONG_TEXT)),
                    Filter.equal("lookup_keys", new Type.Items(text(200)), "lookup_key"), Filter.equal("type", choice("one_time", "recurring"))),
            EnumSet.of(Verb.CREATE, Verb.UPDATE), ALL_EVENTS, false, new Prices(), Prices::shown, Map.of());

    static final Resource COUPONS = new Resource("coupons", "coupon", () -> Ids.shortId("").substring(0, 8), template("coupon"),
            new Params(
                    param("amount_off", integer(1, Prices.MOST)).createOnly(),
                    param("currency", currency()).createOnly(),
                    param("duration", choice("forever", "once", "repeating")).createOnly(),
                    param("duration_in_months", integer(1, 1200)).createOnly(),
                    param("id", text(LONG_TEXT)).createOnly(),
                    param("max_redemptions", integer(1, Integer.MAX_VALUE)).createOnly(),
                    METADATA,
                    param("name", text(40)).clearable(),
                    param("percent_off", Type.percent()).createOnly(),
                    param("redeem_by", Type.timestamp()).createOnly()),
            List.of(), EnumSet.allOf(Verb.class), ALL_EVENTS, false, new Coupons(), null, Map.of());

    static final Resource TAX_RATES = new Resource("tax_rates", "tax_rate", () -> Ids.longId("txr_"), template("tax_rate"),
            new Params(
                    param("active", bool()),
                    param("country", text(LONG_TEXT)),
                    param("description", text(LONG_TEXT)),
                    param("display_name", text(50)).mandatory(),
                    param("inclusive", bool()).mandatory().createOnly(),
                    param("jurisdiction", text(50)),
                    METADATA,
                    param("percentage", Type.percent(4)).mandatory().createOnly(),
                    param("state", text(LONG_TEXT)),
                    param("tax_type", choice("amusement_tax", "communications_tax", "gst", "hst", "igst", "jct", "lease_tax", "pst", "qst", "retail_delivery_fee", "rst", "sales_tax",
                            "service_tax", "vat"))),
            List.of(Filter.equal("active", bool()), Filter.equal("inclusive", bool())),
            EnumSet.of(Verb.CREATE, Verb.UPDATE), Set.of("created", "updated"), false, new Lifecycle() {
                @Override
                public void create(Transaction tx, ObjectNode rate, ObjectNode values) {
                    rate.set("effective_percentage", rate.get("percentage"));
                }
            }, null, Map.of());

    static final Resource SHIPPING_RATES = new Resource("shipping_rates", "shipping_rate", () -> Ids.longId("shr_"), template("shipping_rate"),
            new Params(
                    param("active", bool()).updateOnly(),
                    param("display_name", text(100)).mandatory().createOnly(),
                    param("fixed_amount", new Type.Hash(new Params(param("amount", integer(0, Prices.MOST)).mandatory(), param("currency", currency()).mandatory()))).mandatory().createOnly(),
                    METADATA,
                    TAX_BEHAVIOR,
                    param("type", choice("fixed_amount")).createOnly()),
            List.of(Filter.equal("active", bool())), EnumSet.of(Verb.CREATE, Verb.UPDATE), Set.of(), false, new Lifecycle() {
                @Override
                public void create(Transaction tx, ObjectNode rate, ObjectNode values) {
                    Currencies.check(rate.at("/fixed_amount/currency").asText(), rate.at("/fixed_amount/amount").asLong(), "fixed_amount[amount]");
                }
            }, null, Map.of());

    /** Applied coupons. They have no calls of their own, and show as ids that can be expanded; how much they take off is kept, whatever becomes of the coupon. */
    static final Resource DISCOUNTS = new Resource("discounts", "discount", () -> Ids.longId("di_"), template("discount"), new Params(), List.of(),
            EnumSet.noneOf(Verb.class), Set.of(), false, new Lifecycle() { }, discount -> discount.without("worth"), Map.of());

    private static final Param DISCOUNTED = param("discounts", new Type.Items(new Type.Hash(new Params(param("coupon", text(LONG_TEXT)), param("discount", text(LONG_TEXT)))))).unsettable().steering();
    private static final Type TAX_RATE_IDS = new Type.Items(text(LONG_TEXT));

    static final Resource EVENTS = new Resource("events", "event", () -> Ids.longId("evt_"), null, new Params(),
            List.of(Filter.equal("type", text(LONG_TEXT)), Filter.equal("types", new Type.Items(text(LONG_TEXT)), "type"),
                    new Filter(param("delivery_success", bool()), "id", (account, id, wanted) -> account.delivered(id) == wanted.asBoolean())),
            EnumSet.noneOf(Verb.class), Set.of(), false, new Lifecycle() { }, null, Map.of());

    static final Resource WEBHOOK_ENDPOINTS = new Resource("webhook_endpoints", "webhook_endpoint", () -> Ids.longId("we_"), template("webhook_endpoint"),
            new Params(
                    param("api_version", choice(Events.API_VERSION)).createOnly(),
                    param("description", text(LONG_TEXT)).clearable(),
                    param("disabled", bool()).updateOnly().steering(),
                    param("enabled_events", new Type.Items(text(LONG_TEXT))).mandatory(),
                    METADATA,
                    param("url", Type.url()).mandatory()),
            List.of(), EnumSet.allOf(Verb.class), Set.of(), false, new Lifecycle() {
                @Override
                public void create(Transaction tx, ObjectNode endpoint, ObjectNode values) {
                    endpoint.put("secret", Ids.secret());
                }

                @Override
                public void update(Transaction tx, ObjectNode endpoint, ObjectNode values) {
                    if (values.has("disabled")) {
                        endpoint.put("status", values.get("disabled").asBoolean() ? "disabled" : "enabled");
                    }
                }
            }, endpoint -> endpoint.without("secret"), Map.of());

    static final Resource INVOICE_ITEMS = new Resource("invoiceitems", "invoiceitem", () -> Ids.longId("ii_"), template("invoiceitem"),
            new Params(
                    param("amount", integer(-Prices.MOST, Prices.MOST)),
                    param("currency", currency()).createOnly(),
                    param("customer", new Type.Reference("customer")).mandatory().createOnly(),
                    param("description", text(500)).clearable(),
                    param("discountable", bool()),
                    DISCOUNTED,
                    param("invoice", new Type.Reference("invoice")).createOnly(),
                    METADATA,
                    param("period", new Type.Hash(new Params(param("end", Type.timestamp()).mandatory(), param("start", Type.timestamp()).mandatory()))),
                    param("price_data", new Type.Hash(new Params(
                            param("currency", currency()).mandatory(),
                            param("product", text(LONG_TEXT)).mandatory(),
                            TAX_BEHAVIOR,
                            UNIT_AMOUNT,
                            UNIT_AMOUNT_DECIMAL))).steering(),
                    param("pricing", new Type.Hash(new Params(param("price", text(LONG_TEXT)).mandatory()))).steering(),
                    param("quantity", integer(0, Integer.MAX_VALUE)),
                    param("quantity_decimal", Type.decimal(0, Integer.MAX_VALUE)).steering(),
                    param("tax_rates", TAX_RATE_IDS).unsettable().steering(),
                    param("unit_amount_decimal", Type.decimal(-Prices.MOST, Prices.MOST)).steering()),
            List.of(Filter.equal("customer", text(LONG_TEXT)), Filter.equal("invoice", text(LONG_TEXT)),
                    new Filter(param("pending", bool()), "invoice", (account, invoice, wanted) -> (invoice == null) == wanted.asBoolean())),
            EnumSet.allOf(Verb.class), Set.of("created", "deleted"), false, new InvoiceItems(), null, Map.of());

    static final Resource INVOICES = new Resource("invoices", "invoice", () -> Ids.longId("in_"), template("invoice"),
            new Params(
                    param("auto_advance", bool()),
                    param("collection_method", choice("charge_automatically", "send_invoice")),
                    param("currency", currency()).createOnly(),
                    param("custom_fields", new Type.Items(new Type.Hash(new Params(param("name", text(40)).mandatory(), param("value", text(140)).mandatory())))).clearable(),
                    param("customer", new Type.Reference("customer")).mandatory().createOnly(),
                    param("days_until_due", integer(0, 36_500)).steering(),
                    param("default_tax_rates", TAX_RATE_IDS).unsettable().steering(),
                    param("description", text(LONG_TEXT)).clearable(),
                    DISCOUNTED,
                    param("due_date", Type.timestamp()),
                    param("effective_at", Type.timestamp()).clearable(),
                    param("footer", text(LONG_TEXT)).clearable(),
                    METADATA,
                    param("number", text(26)).clearable(),
                    param("pending_invoice_items_behavior", choice("exclude", "include")).createOnly().steering(),
                    param("shipping_cost", new Type.Hash(new Params(
                            param("shipping_rate", text(LONG_TEXT)),
                            param("shipping_rate_data", new Type.Hash(SHIPPING_RATES.params().without("active", "expand")))))).unsettable().steering(),
                    param("statement_descriptor", text(22)).clearable()),
            List.of(Filter.equal("customer", text(LONG_TEXT)), Filter.equal("status", choice("draft", "open", "paid", "uncollectible", "void")),
                    Filter.equal("collection_method", choice("charge_automatically", "send_invoice"))),
            EnumSet.allOf(Verb.class), ALL_EVENTS, false, new Invoices(), Invoices::shown, Invoices.ACTIONS);

    static final List<Resource> ALL = List.of(CUSTOMERS, PRODUCTS, PRICES, COUPONS, TAX_RATES, SHIPPING_RATES, DISCOUNTS, INVOICE_ITEMS, INVOICES, EVENTS,
            WEBHOOK_ENDPOINTS);

    private static final Map<String, Resource> BY_PATH = ALL.stream().filter(resource -> resource != DISCOUNTS).collect(Collectors.toMap(Resource::path, Function.identity()));
    private static final Map<String, Resource> BY_OBJECT = ALL.stream().collect(Collectors.toMap(Resource::object, Function.identity()));

    private Resources() {
    }

    /** The resource of a collection, {@code customers}, or null. */
    static Resource ofPath(String path) {
        return BY_PATH.get(path);
    }

    /** The resource of an object type, {@code customer}, or null. */
    static Resource ofObject(String object) {
        return BY_OBJECT.get(object);
    }

    static ObjectNode template(String object) {
        return (ObjectNode) TEMPLATES.required(object);
    }

    private static JsonNode templates() {
        try (var in = Resources.class.getResourceAsStream("/stripe-simulator/objects.json")) {
            return Json.MAPPER.readTree(in).required("objects");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
