package io.bactrian.sandbox.stripe;

import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Stripe's request encoding: {@code application/x-www-form-urlencoded} with brackets for nested values, in bodies and query strings.
 *
 * <p>{@code address[city]=Oslo&expand[]=customer} becomes {@code {address={city=Oslo}, expand={0=customer}}}. Every value is a string or a
 * map; what is a list is decided by the parameter's type, so that metadata may have keys that look like numbers.
 */
final class Form {

    private Form() {
    }

    /**
     * Decodes a form.
     *
     * @throws ApiError 400 for broken escapes, broken brackets, or a name used both as a value and as a hash
     */
    static Map<String, Object> decode(String form) {
        var result = new LinkedHashMap<String, Object>();
        for (var pair : form.split("&")) {
            if (!pair.isEmpty()) {
                var equals = pair.indexOf('=');
                var name = unescape(equals < 0 ? pair : pair.substring(0, equals));
                put(result, name, equals < 0 ? "" : unescape(pair.substring(equals + 1)));
            }
        }
        return result;
    }

    private static void put(Map<String, Object> target, String name, String value) {
        var bracket = name.indexOf('[');
        if (bracket <= 0) {
            target.put(name, value);
            return;
        }
        if (!name.endsWith("]")) {
            throw ApiError.invalid(null, "Invalid parameter name: brackets do not match", name);
        }
        var hash = hash(target, name.substring(0, bracket), name);
        var keys = name.substring(bracket + 1, name.length() - 1).split("]\\[", -1);
        for (var i = 0; i < keys.length - 1; i++) {
            hash = hash(hash, index(keys[i], hash), name);
        }
        hash.put(index(keys[keys.length - 1], hash), value);
    }

    private static String index(String key, Map<String, Object> hash) {
        return key.isEmpty() ? String.valueOf(hash.size()) : key;
    }

    @SuppressWarnings("unchecked")
    private static Map<String, Object> hash(Map<String, Object> parent, String key, String name) {
        var hash = parent.computeIfAbsent(key, k -> new LinkedHashMap<String, Object>());
        if (!(hash instanceof Map)) {
            throw ApiError.invalid(null, "Invalid parameter name: " + key + " is both a value and a hash", name);
        }
        return (Map<String, Object>) hash;
    }

    private static String unescape(String text) {
        if (text.indexOf('%') < 0 && text.indexOf('+') < 0) {
            return text;
        }
        try {
            return URLDecoder.decode(text, StandardCharsets.UTF_8);
        } catch (IllegalArgumentException e) {
            throw ApiError.invalid(null, "Invalid request: broken %-escape in the form", null);
        }
    }
}
