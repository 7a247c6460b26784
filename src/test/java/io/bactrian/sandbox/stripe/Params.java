package io.bactrian.sandbox.stripe;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** The parameters that a call or a hash takes; any other is an error, as Stripe has it. */
final class Params {

    private final Map<String, Param> byName = new LinkedHashMap<>();

    Params(Param... params) {
        this(List.of(params));
    }

    Params(List<Param> params) {
        params.forEach(param -> byName.put(param.name(), param));
    }

    /** These parameters and some more. */
    Params and(Param... more) {
        var all = new ArrayList<>(byName.values());
        all.addAll(List.of(more));
        return new Params(all);
    }

    /** These parameters but some. */
    Params without(String... names) {
        return new Params(byName.values().stream().filter(param -> !List.of(names).contains(param.name())).toList());
    }

    Set<String> names() {
        return byName.keySet();
    }

    Iterable<Param> all() {
        return byName.values();
    }

    /**
     * Checks and reads what was sent. An unset parameter is null in the result, one that was not sent is absent.
     *
     * @param prefix the full name of the hash these are the keys of, or empty at the top
     * @throws ApiError 400 for an unknown, missing or wrong parameter
     */
    ObjectNode read(String prefix, Map<String, Object> raw, boolean creating) {
        var unknown = raw.keySet().stream().filter(name -> !takes(byName.get(name), creating)).map(name -> full(prefix, name)).toList();
        if (!unknown.isEmpty()) {
            throw ApiError.invalid("parameter_unknown", "Received unknown parameter" + (unknown.size() > 1 ? "s" : "") + ": " + String.join(", ", unknown),
                    unknown.get(0));
        }
        var values = JsonNodeFactory.instance.objectNode();
        for (var param : byName.values()) {
            var name = full(prefix, param.name());
            var value = raw.get(param.name());
            if (value == null) {
                if (param.required() && creating) {
                    throw ApiError.invalid("parameter_missing", "Missing required param: " + name + ".", name);
                }
            } else if (!"".equals(value)) {
                values.set(param.name(), param.type().read(name, value));
            } else if (creating ? param.unsetOnCreate() : param.unsetOnUpdate()) {
                values.putNull(param.name());
            } else {
                throw ApiError.invalid("parameter_invalid_empty",
                        "An empty string unsets a parameter, but '" + name + "' cannot be unset: leave it out or send a value.", name);
            }
        }
        return values;
    }

    /** Sets the fields of {@code target} that {@code values}, as {@link #read} gave them, name. */
    void apply(String prefix, JsonNode values, ObjectNode target) {
        values.fields().forEachRemaining(entry -> {
            var param = byName.get(entry.getKey());
            if (param.field()) {
                var name = param.name();
                target.set(name, param.type().merge(full(prefix, name), target.get(name), entry.getValue()));
            }
        });
    }

    private static boolean takes(Param param, boolean creating) {
        return param != null && (creating ? param.onCreate() : param.onUpdate());
    }

    private static String full(String prefix, String name) {
        return prefix.isEmpty() ? name : prefix + "[" + name + "]";
    }
}
