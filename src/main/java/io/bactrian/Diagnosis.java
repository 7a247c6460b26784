package io.bactrian;

import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.apache.camel.CamelContext;
import org.apache.camel.FailedToCreateRouteException;
import org.apache.camel.FailedToStartRouteException;
import org.apache.camel.NamedNode;
import org.apache.camel.PropertyBindingException;
import org.apache.camel.model.ModelCamelContext;
import org.apache.camel.model.ProcessorDefinition;
import org.apache.camel.model.RouteDefinition;
import org.snakeyaml.engine.v2.exceptions.MarkedYamlEngineException;

/** Says in one line why Bactrian cannot start: what is wrong, and in which setting or in which line of which file. */
final class Diagnosis {

    private final CamelContext camel;
    private final List<Throwable> chain;

    private Diagnosis(CamelContext camel, Throwable failure) {
        this.camel = camel;
        chain = Stream.iterate(failure, e -> e != null, Throwable::getCause).toList();
    }

    /**
     * Finds the reason.
     *
     * @param camel knows where a route was read from; null when it failed before there was one
     */
    static String of(CamelContext camel, Throwable failure) {
        var diagnosis = new Diagnosis(camel, failure);
        return diagnosis.first(StartUpException.class).map(Throwable::getMessage)
                .or(diagnosis::malformedYaml)
                .or(diagnosis::badRoute)
                .or(diagnosis::badSetting)
                .orElseGet(diagnosis::rootCause);
    }

    private Optional<String> malformedYaml() {
        return first(MarkedYamlEngineException.class).map(e -> {
            var place = e.getProblemMark().map(mark -> file(mark.getName()) + ":" + (mark.getLine() + 1)).orElse("routes/");
            return place + ": " + firstLine(e.getProblem() == null ? e.getMessage() : e.getProblem());
        });
    }

    private Optional<String> badRoute() {
        var created = first(FailedToCreateRouteException.class).map(e -> place(e) + rootCause());
        return created.or(() -> first(FailedToStartRouteException.class)
                .map(e -> route(e.getRouteId()).map(route -> place(route)).orElse("routes/: ") + rootCause()));
    }

    private Optional<String> badSetting() {
        return first(PropertyBindingException.class).map(e -> {
            var name = e.getOptionPrefix() == null ? e.getPropertyName() : e.getOptionPrefix() + e.getOptionKey();
            return "application.properties: " + name + " cannot be set: " + rootCause();
        });
    }

    /** The step that the message quotes; without one, where the route reads from. */
    private String place(FailedToCreateRouteException e) {
        return route(e.getRouteId())
                .map(route -> steps(route)
                        .filter(step -> e.getMessage().contains(">>> " + step + " <<<"))
                        .findFirst()
                        .<NamedNode>map(step -> step)
                        .orElse(route.getInput()))
                .map(Diagnosis::place)
                .orElse("routes/: ");
    }

    private static String place(NamedNode node) {
        return node.getLocation() == null ? "routes/: " : file(node.getLocation()) + ":" + node.getLineNumber() + ": ";
    }

    private Optional<RouteDefinition> route(String id) {
        return camel instanceof ModelCamelContext models && id != null ? Optional.ofNullable(models.getRouteDefinition(id)) : Optional.empty();
    }

    private static Stream<ProcessorDefinition<?>> steps(RouteDefinition route) {
        return route.getOutputs().stream().flatMap(Diagnosis::withChildren);
    }

    private static Stream<ProcessorDefinition<?>> withChildren(ProcessorDefinition<?> step) {
        return Stream.concat(step.getOutputs().stream().flatMap(Diagnosis::withChildren), Stream.of(step));
    }

    private String rootCause() {
        var messages = chain.stream().filter(e -> e.getMessage() != null && !e.getMessage().isBlank()).toList();
        if (messages.isEmpty()) {
            return chain.get(0).getClass().getName();
        }
        var root = messages.get(messages.size() - 1);
        return root instanceof RuntimeException ? firstLine(root.getMessage()) : root.getClass().getSimpleName() + ": " + firstLine(root.getMessage());
    }

    private <T extends Throwable> Optional<T> first(Class<T> type) {
        return chain.stream().filter(type::isInstance).map(type::cast).findFirst();
    }

    private static String file(String location) {
        return location.startsWith("file:") ? location.substring("file:".length()) : location;
    }

    private static String firstLine(String text) {
        return text.strip().lines().findFirst().orElse("");
    }
}
