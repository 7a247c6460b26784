package io.bactrian.sandbox.stripe;

import java.util.Collection;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;

/**
 * The answers kept under idempotency keys, for 24 hours. Used under the account's lock.
 *
 * @see <a href="https://docs.stripe.com/api/idempotent_requests">Idempotent requests</a>
 */
final class IdempotencyKeys {

    static final int MAX_LENGTH = 255;
    private static final long KEPT_SECONDS = 24 * 3600;

    /**
     * @param endpoint method and path of the call
     * @param params what it sent
     * @param time epoch seconds
     */
    record Kept(String key, String endpoint, Map<String, Object> params, Answer answer, long time) {
    }

    private final LinkedHashMap<String, Kept> kept = new LinkedHashMap<>();
    private final Set<String> inFlight = new HashSet<>();

    /**
     * Opens a key for a call.
     *
     * @return the answer to replay, or null when the call is to be made: then {@link #close} must follow
     * @throws ApiError 400 when the key belongs to another call, 409 while a call with the key is under way
     */
    Answer open(String key, String endpoint, Map<String, Object> params, long now) {
        if (key.length() > MAX_LENGTH) {
            throw new ApiError(400, "idempotency_error", null, "Idempotency keys can have up to " + MAX_LENGTH + " characters, this one has " + key.length(), null);
        }
        prune(now);
        var before = kept.get(key);
        if (before != null) {
            if (!before.endpoint().equals(endpoint)) {
                throw new ApiError(400, "idempotency_error", null, "The idempotency key '" + key + "' was first used for " + before.endpoint()
                        + " and cannot be used for " + endpoint, null);
            }
            if (!before.params().equals(params)) {
                throw new ApiError(400, "idempotency_error", null, "Keys for idempotent requests can only be used with the same parameters: '" + key
                        + "' was first used with others", null);
            }
            return before.answer();
        }
        if (!inFlight.add(key)) {
            throw new ApiError(409, "idempotency_error", "idempotency_key_in_use", "Another request with the idempotency key '" + key + "' is in progress: try again later", null)
                    .header("Stripe-Should-Retry", "true");
        }
        return null;
    }

    /** Ends a call, which may have no key, that {@link #open} let through. */
    void close(String key) {
        inFlight.remove(key);
    }

    void keep(Kept answer) {
        kept.put(answer.key(), answer);
    }

    Collection<Kept> all(long now) {
        prune(now);
        return kept.values();
    }

    private void prune(long now) {
        var oldest = kept.values().iterator();
        while (oldest.hasNext() && oldest.next().time() < now - KEPT_SECONDS) {
            oldest.remove();
        }
    }
}
