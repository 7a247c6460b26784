package io.bactrian.sandbox.stripe;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.BooleanNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.LongNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.databind.node.TextNode;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.Arrays;
import java.util.Comparator;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Pattern;

/** The type of a parameter: how its form value is checked and read, and how it changes a field that already has a value. */
interface Type {

    /**
     * Reads a value that is not the empty string.
     *
     * @param name the parameter's full name, {@code address[city]}, for errors
     * @param raw a string, or a map for nested values
     * @throws ApiError 400 when the value is not of this type
     */
    JsonNode read(String name, Object raw);

    /** The field's new value: {@code value} itself, unless the type merges. */
    default JsonNode merge(String name, JsonNode old, JsonNode value) {
        return value;
    }

    /** A string of at most {@code max} characters. */
    static Type text(int max) {
        return (name, raw) -> {
            var text = scalar("string", name, raw);
            if (text.codePointCount(0, text.length()) > max) {
                throw ApiError.invalid("parameter_invalid_string_too_long", "Invalid string: " + shorten(text) + "; must be at most " + max + " characters", name);
            }
            return TextNode.valueOf(text);
        };
    }

    static Type email() {
        var length = text(512);
        var shape = Pattern.compile("[^\\s@]+@[^\\s@.]+(\\.[^\\s@.]+)+");
        return (name, raw) -> {
            var text = length.read(name, raw);
            if (!shape.matcher(text.textValue()).matches()) {
                throw ApiError.invalid("email_invalid", "Invalid email address: " + shorten(text.textValue()), name);
            }
            return text;
        };
    }

    static Type url() {
        return (name, raw) -> {
            var text = scalar("URL", name, raw);
            if (!text.matches("https?://[^\\s/]\\S*") || text.length() > 5000) {
                throw ApiError.invalid("url_invalid", "Not a valid URL", name);
            }
            return TextNode.valueOf(text);
        };
    }

    static Type integer(long min, long max) {
        return (name, raw) -> {
            var text = scalar("integer", name, raw);
            long value;
            try {
                value = Long.parseLong(text);
            } catch (NumberFormatException e) {
                throw ApiError.invalid("parameter_invalid_integer", "Invalid integer: " + shorten(text), name);
            }
            if (value < min || value > max) {
                throw ApiError.invalid("parameter_invalid_integer", "This value must be between " + min + " and " + max + " (it is " + value + ")", name);
            }
            return LongNode.valueOf(value);
        };
    }

    /** An amount in the currency's minor unit, or any other number that fits. */
    static Type integer() {
        return integer(-99_999_999_999L, 99_999_999_999L);
    }

    static Type timestamp() {
        return integer(0, 253_402_300_799L);
    }

    /** A decimal number, which Stripe carries as a string. */
    static Type decimal() {
        return (name, raw) -> {
            var text = scalar("decimal", name, raw);
            try {
                if (text.length() <= 40 && text.matches("[-+]?\\d*\\.?\\d*")) {
                    return TextNode.valueOf(new BigDecimal(text).toPlainString());
                }
                throw new NumberFormatException();
            } catch (NumberFormatException e) {
                throw ApiError.invalid("parameter_invalid_decimal", "Invalid decimal: " + shorten(text), name);
            }
        };
    }

    /** A decimal number whose whole part is within bounds, with at most 12 decimal places. */
    static Type decimal(long min, long max) {
        return (name, raw) -> {
            var value = decimal().read(name, raw);
            var number = new BigDecimal(value.asText());
            if (number.stripTrailingZeros().scale() > 12) {
                throw ApiError.invalid("parameter_invalid_decimal", "Invalid decimal: at most 12 decimal places are possible", name);
            }
            var whole = number.toBigInteger();
            if (number.signum() < 0 && min >= 0 || whole.compareTo(BigInteger.valueOf(min)) < 0 || whole.compareTo(BigInteger.valueOf(max)) > 0) {
                throw ApiError.invalid("parameter_invalid_decimal", "This value must be between " + min + " and " + max + " (it is " + shorten(value.asText()) + ")", name);
            }
            return value;
        };
    }

    /** A percentage above 0, up to 100; a number in the answer. */
    static Type percent() {
        return (name, raw) -> {
            var number = new BigDecimal(decimal().read(name, raw).asText());
            if (number.signum() <= 0 || number.compareTo(BigDecimal.valueOf(100)) > 0) {
                throw ApiError.invalid(null, "This value must be above 0, and 100 at most (it is " + shorten(number.toPlainString()) + ")", name);
            }
            return JsonNodeFactory.instance.numberNode(number);
        };
    }

    /** A percentage from 0 to 100 with at most so many decimals; a number in the answer. */
    static Type percent(int decimals) {
        return (name, raw) -> {
            var number = new BigDecimal(decimal().read(name, raw).asText());
            if (number.signum() < 0 || number.compareTo(BigDecimal.valueOf(100)) > 0 || number.stripTrailingZeros().scale() > decimals) {
                throw ApiError.invalid(null, "This value must be from 0 to 100 with " + decimals + " decimals at most (it is " + shorten(number.toPlainString()) + ")", name);
            }
            return JsonNodeFactory.instance.numberNode(number);
        };
    }

    /** Where a tier ends: an integer above 0, or {@code inf}. */
    static Type upTo() {
        var integer = integer(1, Integer.MAX_VALUE);
        return (name, raw) -> "inf".equals(raw) ? TextNode.valueOf("inf") : integer.read(name, raw);
    }

    static Type bool() {
        return (name, raw) -> switch (scalar("boolean", name, raw)) {
            case "true" -> BooleanNode.TRUE;
            case "false" -> BooleanNode.FALSE;
            default -> throw ApiError.invalid("parameter_invalid_boolean", "Invalid boolean: " + shorten(raw.toString()), name);
        };
    }

    static Type choice(String... values) {
        return (name, raw) -> {
            var text = scalar("string", name, raw);
            if (!Arrays.asList(values).contains(text)) {
                throw ApiError.invalid("parameter_invalid_choice", "Invalid " + name + ": must be one of " + String.join(", ", values), name);
            }
            return TextNode.valueOf(text);
        };
    }

    /** A three-letter ISO currency code; the answer is in lower case. */
    static Type currency() {
        return (name, raw) -> {
            var text = scalar("currency", name, raw).toLowerCase(Locale.ROOT);
            try {
                java.util.Currency.getInstance(text.toUpperCase(Locale.ROOT));
            } catch (IllegalArgumentException e) {
                throw ApiError.invalid(null, "Invalid currency: " + shorten(text), name);
            }
            return TextNode.valueOf(text);
        };
    }

    /** The id of another object, which must exist. */
    record Reference(String object) implements Type {
        @Override
        public JsonNode read(String name, Object raw) {
            return TextNode.valueOf(scalar("string", name, raw));
        }
    }

    /** A list; unset, it is empty. */
    record Items(Type item) implements Type {
        @Override
        public JsonNode read(String name, Object raw) {
            if (!(raw instanceof Map<?, ?> map) || !map.keySet().stream().allMatch(key -> key.toString().matches("\\d{1,6}"))) {
                throw ApiError.invalid("parameter_invalid_array", "Invalid array", name);
            }
            var array = JsonNodeFactory.instance.arrayNode();
            map.entrySet().stream()
                    .sorted(Comparator.comparing(entry -> Integer.valueOf(entry.getKey().toString())))
                    .forEach(entry -> array.add(item.read(name + "[" + entry.getKey() + "]", entry.getValue())));
            return array;
        }

        @Override
        public JsonNode merge(String name, JsonNode old, JsonNode value) {
            return value.isNull() ? JsonNodeFactory.instance.arrayNode() : value;
        }
    }

    /** A hash of hashes, by currency. */
    record ByCurrency(Type value) implements Type {
        @Override
        public JsonNode read(String name, Object raw) {
            if (!(raw instanceof Map<?, ?>)) {
                throw ApiError.invalid("parameter_invalid_object", "Invalid object", name);
            }
            var values = JsonNodeFactory.instance.objectNode();
            asMap(raw).forEach((key, inner) -> values.set(currency().read(name + "[" + key + "]", key).asText(), value.read(name + "[" + key + "]", inner)));
            return values;
        }
    }

    /** A hash with known keys. Setting some keys leaves the others; setting the first one makes the others null. */
    record Hash(Params params) implements Type {
        @Override
        public JsonNode read(String name, Object raw) {
            if (!(raw instanceof Map<?, ?>)) {
                throw ApiError.invalid("parameter_invalid_object", "Invalid object", name);
            }
            return params.read(name, asMap(raw), true);
        }

        @Override
        public JsonNode merge(String name, JsonNode old, JsonNode value) {
            if (value.isNull()) {
                return value;
            }
            var merged = JsonNodeFactory.instance.objectNode();
            if (old != null && old.isObject()) {
                merged.setAll((ObjectNode) old);
            } else {
                params.names().forEach(merged::putNull);
            }
            params.apply(name, value, merged);
            return merged;
        }
    }

    /**
     * Metadata: keys that are sent are merged, one sent as {@code ""} is removed, and {@code metadata=""} removes them all.
     * At most 50 keys of at most 40 characters, values of at most 500.
     *
     * @see <a href="https://docs.stripe.com/metadata">Metadata</a>
     */
    record Metadata() implements Type {
        @Override
        public JsonNode read(String name, Object raw) {
            if (!(raw instanceof Map<?, ?>)) {
                throw ApiError.invalid("parameter_invalid_object", "Invalid object", name);
            }
            var values = JsonNodeFactory.instance.objectNode();
            asMap(raw).forEach((key, value) -> {
                var full = name + "[" + key + "]";
                if (key.codePointCount(0, key.length()) > 40) {
                    throw ApiError.invalid(null, "Metadata keys can have up to 40 characters: " + shorten(key), full);
                }
                var text = scalar("string", full, value);
                if (text.codePointCount(0, text.length()) > 500) {
                    throw ApiError.invalid(null, "Metadata values can have up to 500 characters, but the one of " + key + " is longer", full);
                }
                values.put(key, text);
            });
            return values;
        }

        @Override
        public JsonNode merge(String name, JsonNode old, JsonNode value) {
            var merged = JsonNodeFactory.instance.objectNode();
            if (value.isNull()) {
                return merged;
            }
            if (old != null) {
                merged.setAll((ObjectNode) old);
            }
            value.fields().forEachRemaining(entry -> {
                if (entry.getValue().textValue().isEmpty()) {
                    merged.remove(entry.getKey());
                } else {
                    merged.set(entry.getKey(), entry.getValue());
                }
            });
            if (merged.size() > 50) {
                throw ApiError.invalid(null, "Metadata can have up to 50 keys, but this object would have " + merged.size(), name);
            }
            return merged;
        }
    }

    @SuppressWarnings("unchecked")
    static Map<String, Object> asMap(Object raw) {
        return (Map<String, Object>) raw;
    }

    private static String scalar(String kind, String name, Object raw) {
        if (raw instanceof String text) {
            return text;
        }
        throw ApiError.invalid(null, "Invalid " + kind + ": it is a hash or a list", name);
    }

    private static String shorten(String text) {
        return text.length() <= 40 ? text : text.substring(0, 20) + "..." + text.substring(text.length() - 10);
    }
}
