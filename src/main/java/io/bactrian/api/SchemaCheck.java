package io.bactrian.api;

import com.fasterxml.jackson.databind.JsonNode;
import com.networknt.schema.JsonNodePath;
import com.networknt.schema.JsonSchema;
import com.networknt.schema.JsonSchemaFactory;
import com.networknt.schema.PathType;
import com.networknt.schema.SchemaValidatorsConfig;
import com.networknt.schema.SpecVersion.VersionFlag;
import com.networknt.schema.ValidationMessage;
import com.networknt.schema.oas.OpenApi30;
import io.bactrian.api.Problem.Fault;
import io.swagger.v3.core.util.Json;
import io.swagger.v3.oas.models.media.Schema;
import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * Checks JSON against the schemas of an OpenAPI 3.0 contract. The schema library costs a quarter of a second when it is first used, so a
 * schema is compiled when its first value comes, not at start.
 */
final class SchemaCheck {

    private static final int MOST_FAULTS = 20;

    private final Map<Schema<?>, JsonSchema> compiled = Collections.synchronizedMap(new IdentityHashMap<>());

    /** What is wrong with a value, the first twenty findings; empty when it fits the schema and Postgres can store its text. */
    List<Fault> faults(JsonNode value, Schema<?> schema) {
        var faults = new ArrayList<Fault>();
        for (var finding : compiled.computeIfAbsent(schema, Compiler::compile).validate(value)) {
            faults.add(fault(finding));
        }
        addUnstorable(value, new JsonNodePath(PathType.JSON_POINTER), faults);
        return faults.size() > MOST_FAULTS ? faults.subList(0, MOST_FAULTS) : faults;
    }

    private static Fault fault(ValidationMessage finding) {
        var place = finding.getInstanceLocation();
        return switch (finding.getType()) {
            case "additionalProperties" -> field(place.append(finding.getProperty()), "is not a field here");
            case "required" -> field(place.append(finding.getProperty()), "is missing");
            case "type" -> field(place, "must be of the type " + finding.getArguments()[1]);
            case "format" -> field(place, "is not a valid " + finding.getArguments()[0]);
            case "minimum" -> field(place, "must not be less than " + plain(finding.getArguments()[0]));
            case "maximum" -> field(place, "must not be more than " + plain(finding.getArguments()[0]));
            default -> field(place, finding.getError());
        };
    }

    private static String plain(Object number) {
        return new BigDecimal(number.toString()).toPlainString();
    }

    private static void addUnstorable(JsonNode value, JsonNodePath place, List<Fault> faults) {
        if (value.isTextual() && !isStorable(value.textValue())) {
            faults.add(field(place, "has a character that cannot be stored: NUL, or half a surrogate pair"));
        }
        for (var i = 0; value.isArray() && i < value.size(); i++) {
            addUnstorable(value.get(i), place.append(i), faults);
        }
        for (var member : value.properties()) {
            var inside = place.append(member.getKey());
            if (!isStorable(member.getKey())) {
                faults.add(field(inside, "has a character in its name that cannot be stored: NUL, or half a surrogate pair"));
            }
            addUnstorable(member.getValue(), inside, faults);
        }
    }

    private static boolean isStorable(String text) {
        return text.codePoints().noneMatch(c -> c == 0 || Character.getType(c) == Character.SURROGATE);
    }

    private static Fault field(JsonNodePath place, String message) {
        return new Fault(place.toString(), null, message);
    }

    private static final class Compiler {

        private static final JsonSchemaFactory FACTORY = JsonSchemaFactory.getInstance(
                VersionFlag.V4,
                builder -> builder.metaSchema(OpenApi30.getInstance()).defaultMetaSchemaIri(OpenApi30.getInstance().getIri()));
        private static final SchemaValidatorsConfig CONFIG = SchemaValidatorsConfig.builder()
                .pathType(PathType.JSON_POINTER)
                .formatAssertionsEnabled(true)
                .locale(Locale.ENGLISH)
                .build();

        private static JsonSchema compile(Schema<?> schema) {
            JsonNode json = Json.mapper().valueToTree(schema);
            return FACTORY.getSchema(json, CONFIG);
        }
    }
}
