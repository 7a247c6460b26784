package io.bactrian.sync;

import java.math.BigDecimal;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.apache.camel.CamelContext;
import org.apache.camel.model.ModelCamelContext;
import org.apache.camel.model.RouteDefinition;

/**
 * What the route files say of one table and one system, by the parameters of the templates that they use.
 *
 * @param object what the system calls such an object in its events; null when nothing comes from there
 * @param resource what the system calls such a record in its API
 * @param call the route {@code direct:call-<call>} makes the calls
 * @param ops which changes matter: c, u, d, r, comma-separated
 * @param when a condition on the change, in simple
 * @param fields the columns that are synced
 * @param policy who decides each field, as sync.policy reads it
 * @param deletesOut what becomes of the object when the row is deleted
 * @param deletesIn what becomes of the row when the object is deleted
 * @param maxDeletes more deletes than so many, and than so many percent of the linked records, within an hour wait for a person
 * @param definedIn the route file, such as {@code routes/stripe-customers.camel.yaml}
 */
public record Integration(String system, String entity, String object, String resource, String call, String ops, String when, List<String> fields, String policy, String deletesOut, String deletesIn, long maxDeletes,
        BigDecimal maxDeletePercent, String definedIn) {

    private static final String WORD = "(newest|hub|remote|once|in|out|in except \\w+)";
    private static final String POLICY = "(newest|hub|remote)(\\s*,\\s*[\\w/*]+(\\s*\\+\\s*[\\w/*]+)*\\s*:\\s*" + WORD + ")*";
    private static final String FOLLOW = "follow";
    private static final String DELETES_OUT = "deletes-out";
    private static final String DELETES_IN = "deletes-in";

    /**
     * All of them; the routes have been read.
     *
     * @throws IllegalArgumentException when a word means nothing, naming the file and the parameter
     */
    public static List<Integration> of(CamelContext camel) {
        var found = new LinkedHashMap<String, Integration>();
        for (var route : ((ModelCamelContext) camel).getRouteDefinitions()) {
            var parameters = route.getTemplateParameters();
            if (route.isCreatedFromTemplate() && parameters != null && Stream.of("system", "entity", "fields").allMatch(parameters::containsKey)) {
                var one = of(camel, route, parameters);
                found.merge(one.system + "/" + one.entity, one, Integration::and);
            }
        }
        return found.values().stream().map(Integration::complete).toList();
    }

    private static Integration of(CamelContext camel, RouteDefinition route, Map<String, Object> parameters) {
        return new Integration(text(camel, parameters, "system"), text(camel, parameters, "entity"), text(camel, parameters, "object"),
                text(camel, parameters, "resource"), text(camel, parameters, "call"), text(camel, parameters, "ops"), text(camel, parameters, "when"),
                Stream.of(text(camel, parameters, "fields").strip().split("\\s*,\\s*")).filter(field -> !field.isEmpty()).toList(), text(camel, parameters, "policy"),
                text(camel, parameters, DELETES_OUT), text(camel, parameters, DELETES_IN),
                Long.parseLong(camel.resolvePropertyPlaceholders("{{sync.max-deletes}}")),
                new BigDecimal(camel.resolvePropertyPlaceholders("{{sync.max-delete-percent}}")),
                definedIn(camel, "direct:" + text(camel, parameters, "system") + "-" + text(camel, parameters, "entity") + "-to-hub"));
    }

    /** The file of the mapping: what a template makes does not know where it was asked for. */
    private static String definedIn(CamelContext camel, String mapping) {
        return ((ModelCamelContext) camel).getRouteDefinitions().stream()
                .filter(route -> route.getInput().getEndpointUri().equals(mapping) && route.getInput().getLocation() != null)
                .map(route -> route.getInput().getLocation().replaceFirst("^(file:)?/*", "")).findFirst().orElse("");
    }

    private static String text(CamelContext camel, Map<String, Object> parameters, String name) {
        var value = parameters.get(name);
        return value == null ? null : camel.resolvePropertyPlaceholders(value.toString().replace("{{system}}", String.valueOf(parameters.get("system"))));
    }

    /** Each of the templates tells a part. */
    private Integration and(Integration other) {
        return new Integration(system, entity, either(object, other.object), either(resource, other.resource), either(call, other.call), either(ops, other.ops),
                either(when, other.when), fields, either(policy, other.policy), either(deletesOut, other.deletesOut), either(deletesIn, other.deletesIn), maxDeletes,
                maxDeletePercent, definedIn);
    }

    private static String either(String one, String other) {
        return one == null ? other : one;
    }

    /** With what was left out; makes sure that its words mean something. */
    private Integration complete() {
        check("policy", policy, POLICY, "newest, hub or remote, and then, for single fields, 'field: word' with one of newest, hub, remote, once, in, out and 'in except <status>'");
        check(DELETES_OUT, deletesOut, "follow|keep|ask", "follow, keep or ask");
        check(DELETES_IN, deletesIn, "follow|keep|ask|mark [a-z_][a-z0-9_]*", "follow, keep, ask, or mark and a column");
        return new Integration(system, entity, object, resource, either(call, system), either(ops, "c,u,d,r"), either(when, "true"), fields, either(policy, "newest"),
                either(deletesOut, FOLLOW), either(deletesIn, FOLLOW), maxDeletes, maxDeletePercent, definedIn);
    }

    private void check(String name, String value, String pattern, String rule) {
        if (value != null && !value.matches(pattern)) {
            throw new IllegalArgumentException("%s: %s of %s and %s is '%s': it must be %s".formatted(definedIn, name, system, entity, value, rule));
        }
    }
}
