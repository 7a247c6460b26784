package io.bactrian.sync;

import java.math.BigDecimal;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.BiFunction;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.apache.camel.CamelContext;
import org.apache.camel.model.ModelCamelContext;

/**
 * What the route files say of another system, by the parameters of the template {@code system}. A system of which none speaks has routes of its own name.
 *
 * @param name as in sync.link
 * @param prefix its routes are {@code direct:call-<prefix>}, {@code find-}, {@code point-}, {@code list-} and {@code read-<prefix>}, and where it is polled
 *        {@code events-} and {@code take-<prefix>}: two accounts share them
 * @param component of Camel, which makes its calls
 * @param signature the bean that checks the signatures of its webhooks
 * @param answers what its refusals mean, where that is not what they usually do, by {@code <status> <code>} or {@code <status>}: transient, permanent, denied, fatal, or
 *        gone, the object
 * @param rateLimit calls a second, of all instances together; null for what is usual there
 */
public record RemoteSystem(String name, String prefix, String component, String signature, Map<String, String> answers, BigDecimal rateLimit) {

    private static final Pattern ANSWER = Pattern.compile("([0-9]{3}(?: \\S+)?): (transient|permanent|denied|fatal|gone)");

    /**
     * All of which the route files speak, by name; the routes have been read.
     *
     * @throws IllegalArgumentException when something cannot be as it is said, with file, line and what to do
     */
    public static Map<String, RemoteSystem> of(CamelContext camel) {
        var found = new LinkedHashMap<String, RemoteSystem>();
        for (var route : ((ModelCamelContext) camel).getRouteDefinitions()) {
            var parameters = route.getTemplateParameters();
            if (route.isCreatedFromTemplate() && parameters != null && List.of("name", "prefix", "component", "signature", "answers", "rate-limit").stream().allMatch(parameters::containsKey)) {
                var said = parameters.keySet().stream().collect(Collectors.toMap(name -> name, name -> camel.resolvePropertyPlaceholders(parameters.get(name).toString())));
                var prefix = or(said.get("prefix"), said.get("name"));
                var component = or(said.get("component"), prefix);
                BiFunction<String, String, IllegalArgumentException> wrong = (parameter, reason) -> new IllegalArgumentException("%s: %s of the system %s: %s"
                        .formatted(new RouteFiles(camel).place(route.getRouteId(), parameter), parameter, said.get("name"), reason));
                var one = new RemoteSystem(said.get("name"), prefix, component, or(said.get("signature"), component + "Signature"),
                        answers(said.get("answers"), wrong), rate(said.get("rate-limit"), wrong));
                if (found.putIfAbsent(one.name, one) != null) {
                    throw wrong.apply("name", "it is named twice: take one of the two away");
                }
            }
        }
        found.replaceAll((name, one) -> one.answers.isEmpty() && found.containsKey(one.prefix) ? one.answering(found.get(one.prefix).answers) : one);
        return found;
    }

    /** An account answers as the one does after which its routes are named. */
    private RemoteSystem answering(Map<String, String> others) {
        return new RemoteSystem(name, prefix, component, signature, others, rateLimit);
    }

    private static BigDecimal rate(String text, BiFunction<String, String, IllegalArgumentException> wrong) {
        if (text.isEmpty()) {
            return null;
        }
        if (!text.matches("[0-9]{1,9}([.][0-9]{1,9})?") || new BigDecimal(text).signum() == 0) {
            throw wrong.apply("rate-limit", "it is '" + text + "': it must be calls a second, more than 0");
        }
        return new BigDecimal(text);
    }

    /** Reads {@code 404 resource_missing: gone, 409: transient}. */
    static Map<String, String> answers(String text, BiFunction<String, String, IllegalArgumentException> wrong) {
        var answers = new LinkedHashMap<String, String>();
        for (var one : text.isBlank() ? new String[0] : text.strip().split("\\s*,\\s*")) {
            var answer = ANSWER.matcher(one);
            if (!answer.matches()) {
                throw wrong.apply("answers", "it has '" + one + "': it must be a status, a code if need be, and transient, permanent, denied, fatal or gone, such as"
                        + " '404 resource_missing: gone'");
            }
            answers.put(answer.group(1), answer.group(2));
        }
        return answers;
    }

    /** What a refusal means, if that is said. */
    public Optional<String> meaning(int status, String code) {
        return Optional.ofNullable(answers.getOrDefault(status + " " + code, answers.get(Integer.toString(status))));
    }

    private static String or(String text, String other) {
        return text.isEmpty() ? other : text;
    }

    /** A system of which no route file speaks. */
    static RemoteSystem unsaid(String name) {
        return new RemoteSystem(name, name, name, name + "Signature", Map.of(), null);
    }
}
