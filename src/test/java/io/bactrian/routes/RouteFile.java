package io.bactrian.routes;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.MissingNode;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;

/** A file of routes as a tree, to check what is written in it. */
record RouteFile(Path path, String text, JsonNode yaml) {

    private static final String ENDING = ".camel.yaml";

    /** A route, or the one that a template makes. */
    record Route(String id, String description) {
    }

    /** A step that sends to an endpoint. */
    record Step(String id, String uri, JsonNode parameters) {

        String component() {
            return uri.replaceFirst(":.*", "");
        }
    }

    /** All files of routes below a directory. */
    static List<RouteFile> all(Path directory) {
        try (var files = Files.walk(directory)) {
            return files.filter(file -> file.toString().endsWith(ENDING)).sorted().map(RouteFile::read).toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static RouteFile read(Path path) {
        try {
            var text = Files.readString(path);
            return new RouteFile(path, text, new YAMLMapper().readTree(text));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    String stem() {
        return path.getFileName().toString().replace(ENDING, "");
    }

    Stream<Route> routes() {
        return children(yaml).flatMap(item -> {
            var template = item.path("routeTemplate");
            var route = template.isMissingNode() ? item.path("route") : template;
            return route.isMissingNode() ? Stream.empty() : Stream.of(new Route(route.path("id").asText(), route.path("description").asText()));
        });
    }

    Set<String> templateParameters() {
        return children(yaml).flatMap(item -> children(item.path("routeTemplate").path("parameters")))
                .map(parameter -> parameter.path("name").asText()).collect(Collectors.toSet());
    }

    Stream<Step> steps() {
        return objects().flatMap(object -> Stream.of("to", "toD", "wireTap", "enrich", "pollEnrich", "poll").map(object::path))
                .filter(step -> step.has("uri") || step.isTextual())
                .map(step -> step.isTextual() ? new Step("", step.asText(), MissingNode.getInstance())
                        : new Step(step.path("id").asText(), step.path("uri").asText(), step.path("parameters")));
    }

    /** Every object in the file, at any depth. */
    Stream<JsonNode> objects() {
        return below(yaml).filter(JsonNode::isObject);
    }

    private static Stream<JsonNode> below(JsonNode node) {
        return Stream.concat(Stream.of(node), children(node).flatMap(RouteFile::below));
    }

    private static Stream<JsonNode> children(JsonNode node) {
        return StreamSupport.stream(node.spliterator(), false);
    }
}
