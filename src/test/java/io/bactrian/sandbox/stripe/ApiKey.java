package io.bactrian.sandbox.stripe;

import java.nio.charset.StandardCharsets;
import java.util.Base64;

/**
 * The account's secret key, as a bearer token or as the user of basic authentication.
 *
 * @see <a href="https://docs.stripe.com/api/authentication">Authentication</a>
 */
record ApiKey(String key) {

    /**
     * Checks the {@code Authorization} header, which may be null.
     *
     * @throws ApiError 401
     */
    void check(String authorization) {
        var given = given(authorization == null ? "" : authorization);
        if (given.isEmpty()) {
            throw new ApiError(401, "invalid_request_error", null, "You did not provide an API key: send Authorization: Bearer <key>.", null);
        }
        if (!given.equals(key)) {
            var masked = given.length() < 12 ? "****" : given.substring(0, 3) + "****" + given.substring(given.length() - 4);
            throw new ApiError(401, "invalid_request_error", null, "Invalid API Key provided: " + masked, null);
        }
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
