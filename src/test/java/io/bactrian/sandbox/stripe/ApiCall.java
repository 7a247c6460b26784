package io.bactrian.sandbox.stripe;

import java.time.Instant;
import java.util.Map;

/**
 * One request that came in at {@code /v1/…}.
 *
 * @param method {@code GET}, {@code POST} or {@code DELETE}
 * @param path without the query
 * @param params what it sent, nested: strings and maps
 * @param idempotencyKey its key, or null
 * @param status of the answer, also when a fault withheld it; 0 when the connection was reset before anything happened
 * @param replayed whether the answer came from an idempotency key, so that nothing was done
 * @param answered whether the answer was sent
 * @param requestId its {@code Request-Id}
 */
public record ApiCall(String method, String path, Map<String, Object> params, String idempotencyKey, int status, boolean replayed, boolean answered,
        String requestId, Instant time) {

    /** Whether it was a write that was carried out: neither a read, nor refused, nor replayed. */
    public boolean wrote() {
        return !method.equals("GET") && status >= 200 && status < 300 && !replayed;
    }
}
