package io.bactrian.sandbox.stripe;

import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.Set;

/**
 * The account's secret key, as a bearer token or as the user of basic authentication.
 *
 * @see <a href="https://docs.stripe.com/api/authentication">Authentication</a>
 */
record ApiKey(String key) {

    /**
     * Checks the {@code Authorization} header, which may be null.
     *
     * @param others keys that are good, too
     * @return the key that was given
     * @throws ApiError 401
     */
    String check(String authorization, Set<String> others) {
        var given = given(authorization == null ? "" : authorization);
        if (given.isEmpty()) {
            throw new ApiError(401, "invalid_request_error", null, "You did not provide an API key: send Authorization: Bearer <key>.", null);
        }
        if (!given.equals(key) && !others.contains(given)) {
            throw new ApiError(401, "invalid_request_error", null, "Invalid API Key provided: " + masked(given), null);
        }
        return given;
    }

    static String masked(String key) {
        return key.length() < 12 ? "****" : key.substring(0, 3) + "****" + key.substring(key.length() - 4);
    }

    private static String given(String authorization) {
        if (authorization.startsWith("Bearer ")) {
            return authorization.substring(7).trim();
        }
        if (authorization.startsWith("Basic ")) {
            try {
                var user = new String(Base64.getDecoder().decode(authorization.substring(6).trim()), StandardCharsets.UTF_8);
                return user.substring(0, user.indexOf(':') < 0 ? user.length() : user.indexOf(':'));
            } catch (IllegalArgumentException e) {
                return "";
            }
        }
        return "";
    }
}
