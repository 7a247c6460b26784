package io.bactrian.sandbox.stripe;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/**
 * What each key may do. The account's secret key may do everything but what is withheld from it; a restricted key only what it was granted. The same
 * is at {@code /simulator/permissions}: GET shows it, POST changes what it names, DELETE clears it. Thread-safe.
 *
 * @see <a href="https://docs.stripe.com/keys/restricted-api-keys">Restricted keys</a>; the words of a refusal as in
 *      <a href="https://github.com/stripe/stripe-cli/issues/570">stripe-cli#570</a>, and that invoice items are a permission of their own as in
 *      <a href="https://github.com/PostHog/posthog/pull/57185">posthog#57185</a>
 */
public final class Access {

    /** How much of a resource. Write includes read. */
    public enum Level { NONE, READ, WRITE }

    /** Stripe's names of the permissions, by resource; prices are still plans there. */
    private static final Map<String, String> NAMES = Map.of("customers", "customer", "products", "product", "prices", "plan", "coupons", "coupon",
            "invoices", "invoice", "invoiceitems", "invoice_item", "events", "event", "webhook_endpoints", "webhook", "account", "accounts_kyc_basic");

    private final ApiKey secret;
    private final Map<String, Level> withheld = new LinkedHashMap<>();
    private final Map<String, Map<String, Level>> restricted = new LinkedHashMap<>();
    private final Set<String> hidden = new LinkedHashSet<>();

    Access(ApiKey secret) {
        this.secret = secret;
    }

    /** Lets all keys do everything again, and forgets the restricted ones. */
    public synchronized Access clear() {
        withheld.clear();
        restricted.clear();
        hidden.clear();
        return this;
    }

    /** Limits the secret key: {@code limit("invoices", Level.NONE)}. */
    public synchronized Access limit(String resource, Level level) {
        withheld.put(known(resource), level);
        return this;
    }

    /** Makes a restricted key, {@code rk_test_…}, with exactly these permissions by resource. */
    public synchronized Access grant(String key, Map<String, Level> permissions) {
        if (!key.matches("rk_test_[A-Za-z0-9]+")) {
            throw new IllegalArgumentException("A restricted key here is rk_test_ and letters or digits");
        }
        permissions.keySet().forEach(Access::known);
        restricted.put(key, Map.copyOf(permissions));
        return this;
    }

    /** Lets nobody read these objects: reading one by its id answers 403. */
    public synchronized Access hide(String... ids) {
        hidden.addAll(List.of(ids));
        return this;
    }

    /**
     * Checks a call.
     *
     * @param authorization the header, or null
     * @param path {@code /v1/customers/cus_1}
     * @throws ApiError 401 for an unknown key, 403 for one that may not
     */
    synchronized void check(String authorization, String method, String path, String account) {
        var key = secret.check(authorization, restricted.keySet());
        var parts = path.split("/");
        if (parts.length < 3 || !NAMES.containsKey(parts[2])) {
            return;
        }
        var needed = method.equals("GET") ? Level.READ : Level.WRITE;
        var granted = restricted.containsKey(key) ? restricted.get(key).getOrDefault(parts[2], Level.NONE) : withheld.getOrDefault(parts[2], Level.WRITE);
        if (granted.compareTo(needed) < 0 || parts.length > 3 && hidden.contains(parts[3])) {
            throw new ApiError(403, "invalid_request_error", "more_permissions_required", "The provided key '" + ApiKey.masked(key)
                    + "' does not have the required permissions for this endpoint on account '" + account + "'. Having the 'rak_" + NAMES.get(parts[2]) + "_"
                    + needed.name().toLowerCase(Locale.ROOT) + "' permission would allow this request to continue.", null);
        }
    }

    synchronized ObjectNode toJson() {
        var json = Json.MAPPER.createObjectNode();
        write(json.putObject("withheld"), withheld);
        var keys = json.putObject("restricted");
        restricted.forEach((key, permissions) -> write(keys.putObject(key), permissions));
        var ids = json.putArray("hidden");
        hidden.forEach(ids::add);
        return json;
    }

    /**
     * Takes {@code {"withheld": {"invoices": "none"}, "restricted": {"rk_test_1": {"customers": "write"}}, "hidden": ["price_1"]}}: whatever is named
     * replaces what was there.
     *
     * @throws IllegalArgumentException when something in it is not known
     */
    synchronized void change(JsonNode json) {
        json.fieldNames().forEachRemaining(name -> {
            if (!Set.of("withheld", "restricted", "hidden").contains(name)) {
                throw new IllegalArgumentException("There is no " + name + " here. Known: withheld, restricted, hidden");
            }
        });
        var changed = new Access(secret);
        read(json.path("withheld")).forEach(changed::limit);
        json.path("restricted").fields().forEachRemaining(key -> changed.grant(key.getKey(), read(key.getValue())));
        json.path("hidden").forEach(id -> changed.hide(id.asText()));
        if (json.has("withheld")) {
            withheld.clear();
            withheld.putAll(changed.withheld);
        }
        if (json.has("restricted")) {
            restricted.clear();
            restricted.putAll(changed.restricted);
        }
        if (json.has("hidden")) {
            hidden.clear();
            hidden.addAll(changed.hidden);
        }
    }

    private static Map<String, Level> read(JsonNode permissions) {
        var levels = new LinkedHashMap<String, Level>();
        permissions.fields().forEachRemaining(entry -> {
            try {
                levels.put(entry.getKey(), Level.valueOf(entry.getValue().asText().toUpperCase(Locale.ROOT)));
            } catch (IllegalArgumentException e) {
                throw new IllegalArgumentException(entry.getKey() + ": say none, read or write");
            }
        });
        return levels;
    }

    private static void write(ObjectNode json, Map<String, Level> permissions) {
        permissions.forEach((resource, level) -> json.put(resource, level.name().toLowerCase(Locale.ROOT)));
    }

    private static String known(String resource) {
        if (!NAMES.containsKey(resource)) {
            throw new IllegalArgumentException("There is no permission for " + resource + ". Known: " + String.join(", ", new TreeSet<>(NAMES.keySet())));
        }
        return resource;
    }
}
