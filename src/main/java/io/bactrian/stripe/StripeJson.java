package io.bactrian.stripe;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.math.BigDecimal;
import java.util.Arrays;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.Map;
import org.apache.camel.Message;

/** Between messages, JSON and Stripe's parameters. Numbers keep every digit, and no error quotes what a body contains. */
final class StripeJson {

    private static final JsonMapper MAPPER = JsonMapper.builder()
            .enable(DeserializationFeature.USE_BIG_DECIMAL_FOR_FLOATS)
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .build();
    private static final TypeReference<LinkedHashMap<String, Object>> OBJECT = new TypeReference<>() { };

    private StripeJson() {
    }

    /**
     * The parameters in a message's body: a Map, a JSON object as JsonNode, text, bytes or a stream; nothing is no parameters.
     *
     * @return what stripe-java's form encoder takes: Maps, Lists and Strings; null unsets a field and is sent as an empty string
     * @throws IllegalArgumentException when the body is something else
     */
    static Map<String, Object> parameters(Message message) {
        var body = message.getBody();
        if (body == null) {
            return Map.of();
        }
        if (body instanceof Map<?, ?> map) {
            return plain(map);
        }
        var json = body instanceof JsonNode node ? node : parse(message);
        if (json.isNull() || json.isMissingNode()) {
            return Map.of();
        }
        if (!json.isObject()) {
            throw new IllegalArgumentException("The body of a message to Stripe must be a JSON object, and is of type " + json.getNodeType());
        }
        return plain(object(json));
    }

    /** Reads an answer of any kind; whatever is not JSON is a missing node. */
    static JsonNode answer(byte[] body) {
        try {
            return MAPPER.readTree(body);
        } catch (IOException e) {
            return MAPPER.missingNode();
        }
    }

    /** A JSON object as a tree of LinkedHashMaps and ArrayLists. */
    static Map<String, Object> object(JsonNode json) {
        return MAPPER.convertValue(json, OBJECT);
    }

    private static JsonNode parse(Message message) {
        var json = message.getBody(byte[].class);
        if (json == null) {
            throw new IllegalArgumentException("The body of a message to Stripe must be a Map or a JSON object, and is a "
                    + message.getBody().getClass().getName());
        }
        try {
            return MAPPER.readTree(json);
        } catch (JsonProcessingException e) {
            throw new IllegalArgumentException("The body of a message to Stripe is not JSON (line %d, column %d)"
                    .formatted(e.getLocation().getLineNr(), e.getLocation().getColumnNr()));
        } catch (IOException e) {
            throw new IllegalArgumentException("The body of a message to Stripe is not UTF-8 text");
        }
    }

    private static Map<String, Object> plain(Map<?, ?> map) {
        var result = new LinkedHashMap<String, Object>();
        map.forEach((key, value) -> result.put(String.valueOf(key), plain(value)));
        return result;
    }

    private static Object plain(Object value) {
        if (value == null) {
            return null;
        }
        if (value instanceof Map<?, ?> map) {
            return plain(map);
        }
        if (value instanceof Collection<?> collection) {
            return collection.stream().map(StripeJson::plain).toList();
        }
        if (value instanceof Object[] array) {
            return plain(Arrays.asList(array));
        }
        if (value instanceof JsonNode node) {
            return plain(MAPPER.convertValue(node, Object.class));
        }
        if (value instanceof BigDecimal || value instanceof Double || value instanceof Float) {
            return new BigDecimal(value.toString()).stripTrailingZeros().toPlainString();
        }
        return value.toString();
    }
}
