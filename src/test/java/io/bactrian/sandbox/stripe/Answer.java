package io.bactrian.sandbox.stripe;

import java.util.Map;

/**
 * What an API call is answered with.
 *
 * @param body JSON
 * @param requestId the id of the call that first got this answer, {@code req_…}
 * @param headers beside the usual ones; they are not kept under an idempotency key
 */
record Answer(int status, byte[] body, String requestId, Map<String, String> headers) {

    static Answer ok(byte[] body, String requestId) {
        return new Answer(200, body, requestId, Map.of());
    }

    static Answer error(ApiError error, String requestId) {
        return new Answer(error.status, Json.bytes(error.body(requestId)), requestId, error.headers);
    }
}
