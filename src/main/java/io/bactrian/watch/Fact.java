package io.bactrian.watch;

import io.micrometer.core.instrument.Tag;
import io.micrometer.core.instrument.Tags;
import java.util.Map;
import java.util.stream.Stream;

/**
 * A row of {@code sync.status()}, whose comment explains the metrics.
 *
 * @param metric without {@code bactrian.}
 * @param tags those of system, entity, direction and class that the row has
 * @param since a time, for a person
 * @param reason in words; null when there is none
 */
record Fact(String metric, Tags tags, double value, String since, String reason) {

    static Fact of(Map<String, Object> row) {
        var tags = Stream.of("system", "entity", "direction", "class").filter(name -> row.get(name) != null)
                .map(name -> Tag.of(name, row.get(name).toString())).toList();
        return new Fact(row.get("metric").toString(), Tags.of(tags), ((Number) row.get("value")).doubleValue(),
                String.valueOf(row.get("since")), (String) row.get("reason"));
    }

    /** The queue that the metric {@code waiting} is about. */
    Work work() {
        return new Work(tag("class"), tag("system"), tag("entity"), since);
    }

    /** Whether a person is needed: a table that cannot be synced, or a mass delete that waits. */
    boolean needsPerson() {
        return metric.equals("blocked") || metric.equals("deletes.held");
    }

    /** What a person should know. */
    String note() {
        if (metric.equals("stopped")) {
            return tag("system") + " has not let us " + (tag("direction").equals("in") ? "read " : "write ") + tag("entity") + " since " + since + ": " + reason;
        }
        return needsPerson() ? tag("system") + " " + tag("entity") + ", since " + since + ": " + reason : metric.equals("paused")
                ? tag("system") + " has been paused (" + tag("direction") + ") since " + since + ": " + reason
                : tag("system") + " has not answered since " + since + ", only a probe calls it: " + reason;
    }

    private String tag(String name) {
        return tags.stream().filter(tag -> tag.getKey().equals(name)).map(Tag::getValue).findFirst().orElse("");
    }
}
