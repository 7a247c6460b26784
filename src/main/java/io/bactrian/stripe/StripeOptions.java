package io.bactrian.stripe;

import com.stripe.Stripe;
import com.stripe.net.RequestOptions;
import java.net.URI;
import java.net.URISyntaxException;
import java.time.Duration;

/** Which Stripe account to talk to, and how. The component holds the defaults; each endpoint has its own copy. */
public final class StripeOptions implements Cloneable {

    /** The API version of all calls, and of the events whose objects can be taken as they are: that of stripe-java. */
    public static final String API_VERSION = Stripe.API_VERSION;

    private static final String DEFAULT_API_BASE = "https://api.stripe.com";

    private String apiKey = "";
    private String apiBase = DEFAULT_API_BASE;
    private String apiVersion = "";
    private String stripeAccount = "";
    private Duration connectTimeout = Duration.ofSeconds(5);
    private Duration readTimeout = Duration.ofSeconds(30);

    /** The secret or restricted key of the account. Required. */
    public void setApiKey(String apiKey) {
        this.apiKey = strip(apiKey);
    }

    /** Where the API is, {@code https://api.stripe.com} when empty. */
    public void setApiBase(String apiBase) {
        var base = strip(apiBase).replaceAll("/+$", "");
        this.apiBase = base.isEmpty() ? DEFAULT_API_BASE : base;
    }

    /** The API version to ask for; that of stripe-java when empty. */
    public void setApiVersion(String apiVersion) {
        this.apiVersion = strip(apiVersion);
    }

    /** The connected account ({@code acct_…}) to act for; the key's own account when empty. */
    public void setStripeAccount(String stripeAccount) {
        this.stripeAccount = strip(stripeAccount);
    }

    /** How long to wait for a connection, 5 s by default. */
    public void setConnectTimeout(Duration connectTimeout) {
        this.connectTimeout = timeout("connectTimeout", connectTimeout);
    }

    /** How long the server may be silent once connected, 30 s by default. */
    public void setReadTimeout(Duration readTimeout) {
        this.readTimeout = timeout("readTimeout", readTimeout);
    }

    /** The API version of the calls. */
    String version() {
        return apiVersion.isEmpty() ? API_VERSION : apiVersion;
    }

    /** The connected account, empty for the key's own. */
    String stripeAccount() {
        return stripeAccount;
    }

    /** Whether it is a live key, null when the key does not tell. */
    Boolean isLive() {
        return apiKey.contains("_live_") ? Boolean.TRUE : apiKey.contains("_test_") ? Boolean.FALSE : null;
    }

    String apiBase() {
        return apiBase;
    }

    Duration connectTimeout() {
        return connectTimeout;
    }

    Duration readTimeout() {
        return readTimeout;
    }

    /** The options of one request, for stripe-java. */
    RequestOptions request(String idempotencyKey) {
        var builder = RequestOptions.builder()
                .setApiKey(apiKey)
                .setIdempotencyKey(idempotencyKey)
                .setStripeAccount(stripeAccount.isEmpty() ? null : stripeAccount);
        if (!apiVersion.isEmpty()) {
            RequestOptions.RequestOptionsBuilder.unsafeSetStripeVersionOverride(builder, apiVersion);
        }
        return builder.build();
    }

    /**
     * Refuses options with which no call could succeed.
     *
     * @param scheme the scheme of the endpoint, which by convention also begins the names of its settings
     */
    void validate(String scheme) {
        if (apiKey.isEmpty()) {
            throw new IllegalArgumentException(scheme + ".api-key is not set. It is the option apiKey of the " + scheme
                    + " component: put the secret key of the Stripe account there");
        }
        if (!isHeaderValue(apiKey)) {
            throw new IllegalArgumentException(scheme + ".api-key (the option apiKey) contains a space or another character that no key has");
        }
        if (!isHeaderValue(apiVersion + stripeAccount)) {
            throw new IllegalArgumentException("The option apiVersion or stripeAccount of the " + scheme + " component contains a space or"
                    + " another character that neither has");
        }
        if (!isHttpAddress(apiBase)) {
            throw new IllegalArgumentException(scheme + ".api-base (the option apiBase) is not an address such as " + DEFAULT_API_BASE);
        }
        if (apiKey.contains("_live_") && apiBase.startsWith("http:")) {
            throw new IllegalArgumentException(scheme + ".api-base (the option apiBase) begins with http:, which would send the live key "
                    + scheme + ".api-key unencrypted: use https:");
        }
    }

    StripeOptions copy() {
        try {
            return (StripeOptions) clone();
        } catch (CloneNotSupportedException e) {
            throw new AssertionError(e);
        }
    }

    private static boolean isHttpAddress(String address) {
        try {
            var uri = new URI(address);
            return uri.getHost() != null && uri.getQuery() == null && uri.getFragment() == null && uri.getUserInfo() == null
                    && ("http".equals(uri.getScheme()) || "https".equals(uri.getScheme()));
        } catch (URISyntaxException e) {
            return false;
        }
    }

    private static boolean isHeaderValue(String value) {
        return value.matches("[!-~]*");
    }

    private static String strip(String value) {
        return value == null ? "" : value.strip();
    }

    private static Duration timeout(String option, Duration value) {
        if (value.toMillis() < 1 || value.toMillis() > Integer.MAX_VALUE) {
            throw new IllegalArgumentException("The option " + option + " must be between 1 ms and 24 days");
        }
        return value;
    }
}
