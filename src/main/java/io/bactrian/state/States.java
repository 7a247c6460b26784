package io.bactrian.state;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.NullNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.BiPredicate;
import java.util.stream.Stream;

/**
 * States of records and objects: JSON objects by field, compared as Postgres compares jsonb. A field that is missing is null, the order of keys does not matter, and 1 is
 * 1.0. A part of a record is a field of its own, {@code invoice_items/7}. None of these changes what it is given; null is a state of which nothing is known.
 */
public final class States {

    /** Numbers as they were written, and all of it as large as Postgres may hold it. */
    public static final JsonMapper JSON = JsonMapper.builder(JsonFactory.builder().streamReadConstraints(StreamReadConstraints.builder()
                    .maxNumberLength(200_000).maxStringLength(Integer.MAX_VALUE).maxNestingDepth(1_000).build()).build())
            .enable(DeserializationFeature.USE_BIG_DECIMAL_FOR_FLOATS, DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .nodeFactory(JsonNodeFactory.withExactBigDecimals(true)).build();

    private static final Comparator<JsonNode> BY_VALUE = (one, other) -> one.equals(other)
            || one.isNumber() && other.isNumber() && one.decimalValue().compareTo(other.decimalValue()) == 0 ? 0 : 1;
    private static final String PARTS = "/*";

    private States() {
    }

    /** A state from its text, null from null. */
    public static ObjectNode parse(String json) throws JsonProcessingException {
        return json == null ? null : (ObjectNode) JSON.readTree(json);
    }

    /** A state without fields. */
    public static ObjectNode empty() {
        return JSON.createObjectNode();
    }

    /** The value of a field; JSON's null when there is none. */
    public static JsonNode get(JsonNode state, String field) {
        var value = state == null ? null : state.get(field);
        return value == null ? NullNode.instance : value;
    }

    /** Whether a field has a value. */
    public static boolean has(JsonNode state, String field) {
        return state != null && state.hasNonNull(field);
    }

    /** Whether a field is there, be it null. */
    public static boolean names(JsonNode state, String field) {
        return state != null && state.has(field);
    }

    /** A field's value as text, null when it has none. */
    public static String text(JsonNode state, String field) {
        var value = get(state, field);
        return value.isNull() ? null : value.isValueNode() ? value.asText() : value.toString();
    }

    /** Whether two values are the same to Postgres. */
    public static boolean same(JsonNode one, JsonNode other) {
        boolean nothing = one == null || one.isNull();
        return nothing || other == null || other.isNull() ? nothing && (other == null || other.isNull()) : one.equals(BY_VALUE, other);
    }

    /** The named fields; those that are missing are null. */
    public static ObjectNode pick(JsonNode state, Collection<String> fields) {
        var picked = empty();
        fields.forEach(field -> picked.set(field, get(state, field)));
        return picked;
    }

    /** The fields that are so. */
    public static ObjectNode pickIf(JsonNode state, BiPredicate<String, JsonNode> condition) {
        var picked = empty();
        if (state != null) {
            state.fields().forEachRemaining(field -> {
                if (condition.test(field.getKey(), field.getValue())) {
                    picked.set(field.getKey(), field.getValue());
                }
            });
        }
        return picked;
    }

    /** A state without the named fields. */
    public static ObjectNode without(JsonNode state, Collection<String> fields) {
        return pickIf(state, (field, value) -> !fields.contains(field));
    }

    /** All fields of all states; of one that several have, the last. Null counts as a state without fields. */
    public static ObjectNode join(JsonNode... states) {
        var joined = empty();
        for (var state : states) {
            if (state != null) {
                joined.setAll((ObjectNode) state);
            }
        }
        return joined;
    }

    /** A state with one field set anew. */
    public static ObjectNode with(JsonNode state, String field, JsonNode value) {
        var joined = join(state);
        joined.set(field, value);
        return joined;
    }

    /** The fields in which two states differ, in the order given. */
    public static List<String> moved(JsonNode from, JsonNode to, Collection<String> fields) {
        return fields.stream().filter(field -> !same(get(from, field), get(to, field))).toList();
    }

    /** The names of a state's fields. */
    public static List<String> names(JsonNode state) {
        var names = new ArrayList<String>();
        if (state != null) {
            state.fieldNames().forEachRemaining(names::add);
        }
        return names;
    }

    /** Whether a field is a part of a record. */
    public static boolean isPart(String field) {
        return field.contains("/");
    }

    /** The entity of a part, or of any {@code entity/id}. */
    public static String entityOf(String part) {
        return part.substring(0, part.indexOf('/'));
    }

    /** The id in {@code entity/id}. */
    public static String idOf(String part) {
        return part.substring(part.indexOf('/') + 1);
    }

    /** Whether an integration has parts among its fields. */
    public static boolean haveParts(Collection<String> fields) {
        return fields.stream().anyMatch(field -> field.endsWith(PARTS));
    }

    /** The fields of an integration with each part by its name: {@code invoice_items/*} stands for all that any of the states has. */
    public static List<String> fields(List<String> fields, JsonNode... states) {
        if (!haveParts(fields)) {
            return fields;
        }
        return fields.stream().flatMap(field -> !field.endsWith(PARTS) ? Stream.of(field) : parts(field, Stream.of(states).flatMap(state -> names(state).stream()))).toList();
    }

    private static Stream<String> parts(String all, Stream<String> names) {
        return names.filter(name -> name.startsWith(prefix(all))).distinct().sorted(Comparator.comparing(String::length).thenComparing(Comparator.naturalOrder()));
    }

    private static String prefix(String all) {
        return all.substring(0, all.length() - 1);
    }

    /**
     * Those of the fields that moved which go out in one call, with those in {@code first}: fields go out in the order in which the integration names them. Those before
     * the parts go together, then each part by itself, then those after.
     */
    public static List<String> oneCall(List<String> fields, List<String> moved, List<String> first) {
        var run = new ArrayList<String>();
        for (var field : fields) {
            if (!field.endsWith(PARTS)) {
                run.add(field);
                continue;
            }
            if (run.stream().anyMatch(first::contains)) {
                break;
            }
            var part = parts(field, first.stream()).findFirst();
            if (part.isPresent()) {
                return List.of(part.get());
            }
            run.clear();
        }
        return run.stream().filter(moved::contains).toList();
    }

    /** The same text for the same state, whatever the order of keys and however numbers are written. */
    public static String canonical(JsonNode value) {
        if (value == null || value.isNull()) {
            return "null";
        } else if (value.isObject()) {
            Set<String> names = new TreeSet<>(names(value));
            return String.join(",", names.stream().map(name -> name.length() + ":" + name + canonical(value.get(name))).toList()).transform(all -> "{" + all + "}");
        } else if (value.isArray()) {
            var all = new ArrayList<String>();
            value.forEach(one -> all.add(canonical(one)));
            return all.toString();
        }
        return value.isNumber() ? value.decimalValue().stripTrailingZeros().toString() : value.toString();
    }
}
