package io.bactrian.sync;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.apache.camel.CamelContext;
import org.apache.camel.support.PluginHelper;

/** Where in the route files something is said: Camel forgets from where a template was used. */
final class RouteFiles {

    private final Map<String, List<String>> files = new LinkedHashMap<>();

    RouteFiles(CamelContext camel) {
        try {
            for (var pattern : camel.resolvePropertyPlaceholders("{{camel.main.routes-include-pattern}}").split(",")) {
                for (var file : PluginHelper.getPackageScanResourceResolver(camel).findResources(pattern)) {
                    try (var in = file.getInputStream()) {
                        files.put(file.getLocation().replaceFirst("^(file:)?/*", ""), new String(in.readAllBytes(), StandardCharsets.UTF_8).lines().toList());
                    }
                }
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (Exception e) {
            throw new IllegalStateException("the route files cannot be found", e);
        }
    }

    /** The file in which a template is used for a route; empty when none says so. */
    String file(String routeId) {
        return files.entrySet().stream().filter(file -> line(file.getValue(), routeId) >= 0).map(Map.Entry::getKey).findFirst().orElse("");
    }

    /** {@code file:line} of a parameter there, or of the whole where it is left out. */
    String place(String routeId, String parameter) {
        var file = file(routeId);
        if (file.isEmpty()) {
            return "routes/";
        }
        var lines = files.get(file);
        int first = line(lines, routeId);
        int last = IntStream.range(first, lines.size()).filter(i -> i > first && lines.get(i).startsWith("- ")).findFirst().orElse(lines.size());
        int line = IntStream.range(first, last).filter(i -> lines.get(i).matches("\\s*- (\\{\\s*)?name:\\s*[\"']?" + parameter + "[\"']?\\s*(,.*)?")).findFirst().orElse(first);
        return file + ":" + (line + 1);
    }

    private static int line(List<String> lines, String routeId) {
        return IntStream.range(0, lines.size()).filter(i -> lines.get(i).matches("[\\s-]*routeId:\\s*[\"']?" + routeId + "[\"']?\\s*")).findFirst().orElse(-1);
    }
}
