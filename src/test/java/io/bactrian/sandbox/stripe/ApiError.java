package io.bactrian.sandbox.stripe;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * An error in Stripe's shape, {@code {"error": {type, code, message, param, doc_url, request_log_url}}}.
 *
 * @see <a href="https://docs.stripe.com/api/errors">Errors</a> and <a href="https://docs.stripe.com/error-codes">their codes</a>
 */
final class ApiError extends RuntimeException {

    private static final long serialVersionUID = 1L;

    final int status;
    final String type;
    final String code;
    final String param;
    final Map<String, String> headers = new LinkedHashMap<>();

    ApiError(int status, String type, String code, String message, String param) {
        super(message, null, false, false);
        this.status = status;
        this.type = type;
        this.code = code;
        this.param = param;
    }

    /** Adds a header to the answer. */
    ApiError header(String name, String value) {
        headers.put(name, value);
        return this;
    }

    /** 400: something is wrong with a parameter. {@code code} and {@code param} may be null. */
    static ApiError invalid(String code, String message, String param) {
        return new ApiError(400, "invalid_request_error", code, message, param);
    }

    /** 404 for an object named in the path, 400 for one named by a parameter. */
    static ApiError missing(int status, String object, String id, String param) {
        return new ApiError(status, "invalid_request_error", "resource_missing", "No such " + object + ": '" + id + "'", param);
    }

    /** The body of the answer. */
    ObjectNode body(String requestId) {
        var error = Json.MAPPER.createObjectNode();
        if (code != null) {
            error.put("code", code);
            error.put("doc_url", "https://docs.stripe.com/error-codes#" + code.replace('_', '-'));
        }
        error.put("message", getMessage());
        if (param != null) {
            error.put("param", param);
        }
        error.put("request_log_url", "https://dashboard.stripe.com/test/workbench/logs?object=" + requestId);
        error.put("type", type);
        return Json.MAPPER.createObjectNode().set("error", error);
    }
}
