package io.bactrian.sync;

import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.camel.CamelContext;
import org.apache.camel.model.ModelCamelContext;
import org.apache.camel.model.RouteDefinition;

/**
 * What the route files say of one table and one system, by the parameters of the templates {@code integration} and {@code announce}.
 *
 * @param prefix the routes of the system are {@code direct:find-<prefix>}, {@code list-<prefix>} and so on
 * @param object what the system calls such an object in its events; null when nothing comes from there
 * @param resource what the system calls such a record in its API; null when records are only announced
 * @param mappings the routes {@code direct:<mappings>-from-hub} and {@code -to-hub} map a row to an object, and back; null when records are only announced
 * @param untold in jq, which keys of an object it does not tell whole: {@code direct:complete-<mappings>} reads them
 * @param call the route {@code direct:call-<call>} makes the calls
 * @param ops which changes matter: c, u, d, r, comma-separated
 * @param when a condition on the change, in simple
 * @param fields the columns that are synced; none when records are only announced
 * @param policy who decides each field, as sync.policy reads it
 * @param match a column by whose value an object that points to no record finds its own, or {@code none}
 * @param pointer where in an object the id of its record is, {@code hubPointer} that of its installation; dots between the keys
 * @param deletesOut what becomes of the object when the row is deleted
 * @param deletesIn what becomes of the row when the object is deleted
 * @param listed whether a reconcile compares both sides as a whole
 * @param maxDeletes more deletes than so many, and than so many percent of the linked records, within an hour wait for a person
 * @param place where it is said
 */
public record Integration(String system, String entity, String prefix, String object, String resource, String mappings, String untold, String call, String ops, String when, List<String> fields,
        String policy, String match, String pointer, String hubPointer, String deletesOut, String deletesIn, boolean listed, long maxDeletes,
        BigDecimal maxDeletePercent, Place place) {

    private static final String WORD = "(newest|hub|remote|once|in|out|in except \\w+)";
    private static final Pattern POLICY = Pattern.compile("(newest|hub|remote)(\\s*,\\s*[\\w/*]+(\\s*\\+\\s*[\\w/*]+)*\\s*:\\s*" + WORD + ")*");
    private static final Pattern OF_FIELDS = Pattern.compile(",\\s*([\\w/*\\s+]+?)\\s*:");
    private static final String NONE = "none";

    /** The file and the line in which a parameter is said, or the whole where it is left out: {@code routes/stripe-customers.camel.yaml:3}. */
    public interface Place {

        /** The place of a parameter. */
        String of(String parameter);

        /** The file alone. */
        default String file() {
            return of("system").replaceFirst(":\\d+$", "");
        }
    }

    /** Whether records are only announced: each is told once, and nothing comes back. */
    public boolean oneWay() {
        return mappings == null;
    }

    /**
     * All of them; the routes have been read.
     *
     * @throws IllegalArgumentException when something cannot be as it is said, with file, line and what to do
     */
    public static List<Integration> of(CamelContext camel) {
        var files = new RouteFiles(camel);
        var systems = RemoteSystem.of(camel);
        var found = new LinkedHashMap<String, Integration>();
        for (var route : ((ModelCamelContext) camel).getRouteDefinitions()) {
            var parameters = route.getTemplateParameters();
            if (route.isCreatedFromTemplate() && parameters != null && Stream.of("system", "entity", "call").allMatch(parameters::containsKey)) {
                var one = of(camel, route, parameters, files, systems);
                var other = found.putIfAbsent(one.system + "/" + one.entity, one);
                if (other != null) {
                    throw one.wrong("entity", "%s and %s are in %s already: take one of the two away".formatted(one.system, one.entity, other.place.of("entity")));
                }
            }
        }
        var routes = addresses(camel);
        found.values().forEach(one -> one.check(routes));
        return List.copyOf(found.values());
    }

    private static Integration of(CamelContext camel, RouteDefinition route, Map<String, Object> parameters, RouteFiles files,
            Map<String, RemoteSystem> systems) {
        var said = parameters.keySet().stream().collect(Collectors.toMap(name -> name, name -> text(camel, parameters, name)));
        var both = said.getOrDefault("directions", "out").equals("both");
        var prefix = systems.getOrDefault(said.get("system"), RemoteSystem.unsaid(said.get("system"))).prefix();
        var one = new Integration(said.get("system"), said.get("entity"), prefix, both && !said.get("object").equals(NONE) ? said.get("object") : null, said.get("resource"),
                or(said.get("mappings"), prefix + "-" + said.get("entity")), said.get("untold"), or(said.get("call"), prefix), said.get("ops"), said.get("when"),
                Stream.of(said.getOrDefault("fields", "").strip().split("\\s*,\\s*")).filter(field -> !field.isEmpty()).toList(), said.getOrDefault("policy", "newest"),
                said.get("match"), said.get("pointer"), said.get("hub-pointer"), said.getOrDefault("deletes-out", "keep"), said.getOrDefault("deletes-in", "keep"), both,
                Long.parseLong(camel.resolvePropertyPlaceholders("{{sync.max-deletes}}")), new BigDecimal(camel.resolvePropertyPlaceholders("{{sync.max-delete-percent}}")),
                parameter -> files.place(route.getRouteId(), parameter));
        one.check("directions", said.getOrDefault("directions", "out"), "both|out", "both or out");
        return one;
    }

    /** Null stays, for what the template does not have. */
    private static String or(String text, String usual) {
        return text != null && text.isEmpty() ? usual : text;
    }

    private static String text(CamelContext camel, Map<String, Object> parameters, String name) {
        return camel.resolvePropertyPlaceholders(parameters.get(name).toString());
    }

    private static Set<String> addresses(CamelContext camel) {
        return ((ModelCamelContext) camel).getRouteDefinitions().stream()
                .map(route -> address(camel, route.getInput().getEndpointUri(), route.getTemplateParameters())).collect(Collectors.toSet());
    }

    private static String address(CamelContext camel, String uri, Map<String, Object> parameters) {
        var address = uri;
        for (var parameter : parameters == null ? Map.<String, Object>of().entrySet() : parameters.entrySet()) {
            address = address.replace("{{" + parameter.getKey() + "}}", String.valueOf(parameter.getValue()));
        }
        return camel.resolvePropertyPlaceholders(address.replaceFirst("\\?.*", "").replace("direct://", "direct:"));
    }

    private void check(Set<String> routes) {
        check("policy", policy, POLICY.pattern(), "newest, hub or remote, and then, for single fields, 'field: word' with one of newest, hub, remote, once, in, out and 'in except <status>'");
        check("deletes-out", deletesOut, "follow|keep|ask", "follow, keep or ask");
        check("deletes-in", deletesIn, "follow|keep|ask|mark [a-z_][a-z0-9_]*", "follow, keep, ask, or mark and a column");
        if (!oneWay() && fields.isEmpty()) {
            throw wrong("fields", "there are none: name the columns, or use the template announce");
        }
        OF_FIELDS.matcher(policy).results().flatMap(match -> Stream.of(match.group(1).split("\\s*\\+\\s*"))).filter(field -> !fields.contains(field)).findFirst().ifPresent(field -> {
            throw wrong("policy", "it is about '%s', which is not among the fields: add it there, or take it away here".formatted(field));
        });
        var needed = new ArrayList<Map.Entry<String, String>>();
        needed.add(Map.entry("call", "call-" + call));
        if (!oneWay()) {
            needed.add(Map.entry("mappings", mappings + "-from-hub"));
            needed.add(Map.entry("mappings", mappings + "-to-hub"));
            needed.add(Map.entry("system", "find-" + prefix));
            if (object != null) {
                needed.add(Map.entry("system", "read-" + prefix));
            }
            if (listed) {
                needed.add(Map.entry("system", "list-" + prefix));
            }
            if (!untold.equals("[]")) {
                needed.add(Map.entry("untold", "complete-" + mappings));
            }
        }
        needed.stream().filter(route -> !routes.contains("direct:" + route.getValue())).findFirst().ifPresent(route -> {
            throw wrong(route.getKey(), "there is no route direct:%s: add one, or correct the name".formatted(route.getValue()));
        });
    }

    private void check(String name, String value, String pattern, String rule) {
        if (!value.matches(pattern)) {
            throw wrong(name, "it is '%s': it must be %s".formatted(value, rule));
        }
    }

    /** Something that is said here cannot be so. */
    public IllegalArgumentException wrong(String parameter, String reason) {
        return new IllegalArgumentException("%s: %s of %s and %s: %s".formatted(place.of(parameter), parameter, system, entity, reason));
    }
}
