package io.bactrian.sync;

import java.math.BigDecimal;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.apache.camel.CamelContext;
import org.apache.camel.model.ModelCamelContext;

/**
 * What the route files say of another system, by the parameters of the template {@code system}. A system of which none speaks has routes of its own name.
 *
 * @param name as in sync.link
 * @param prefix its routes are {@code direct:call-<prefix>}, {@code find-}, {@code point-}, {@code list-} and {@code read-<prefix>}: two accounts share them
 * @param component of Camel, which makes its calls
 * @param signature the bean that checks the signatures of its webhooks
 * @param rateLimit calls a second, of all instances together; null for what is usual there
 */
public record RemoteSystem(String name, String prefix, String component, String signature, BigDecimal rateLimit) {

    /**
     * All of which the route files speak, by name; the routes have been read.
     *
     * @throws IllegalArgumentException when something cannot be as it is said, with file, line and what to do
     */
    public static Map<String, RemoteSystem> of(CamelContext camel) {
        return of(camel, new RouteFiles(camel));
    }

    static Map<String, RemoteSystem> of(CamelContext camel, RouteFiles files) {
        var found = new LinkedHashMap<String, RemoteSystem>();
        for (var route : ((ModelCamelContext) camel).getRouteDefinitions()) {
            var parameters = route.getTemplateParameters();
            if (route.isCreatedFromTemplate() && parameters != null && List.of("name", "prefix", "component", "signature", "rate-limit").stream().allMatch(parameters::containsKey)) {
                var said = parameters.keySet().stream().collect(Collectors.toMap(name -> name, name -> camel.resolvePropertyPlaceholders(parameters.get(name).toString())));
                var prefix = or(said.get("prefix"), said.get("name"));
                var component = or(said.get("component"), prefix);
                var one = new RemoteSystem(said.get("name"), prefix, component, or(said.get("signature"), component + "Signature"),
                        said.get("rate-limit").isEmpty() ? null : rate(said.get("rate-limit"), files.place(route.getRouteId(), "rate-limit")));
                if (found.putIfAbsent(one.name, one) != null) {
                    throw new IllegalArgumentException("%s: the system %s is named twice: take one of the two away".formatted(files.place(route.getRouteId(), "name"), one.name));
                }
            }
        }
        return found;
    }

    private static BigDecimal rate(String text, String place) {
        if (!text.matches("[0-9]{1,9}([.][0-9]{1,9})?") || new BigDecimal(text).signum() == 0) {
            throw new IllegalArgumentException("%s: rate-limit is '%s': it must be calls a second, more than 0".formatted(place, text));
        }
        return new BigDecimal(text);
    }

    private static String or(String text, String other) {
        return text.isEmpty() ? other : text;
    }

    /** A system of which no route file speaks. */
    static RemoteSystem unsaid(String name) {
        return new RemoteSystem(name, name, name, name + "Signature", null);
    }
}
