package io.bactrian;

import org.apache.camel.component.http.HttpClientConfigurer;
import org.apache.hc.client5.http.impl.classic.HttpClientBuilder;

/** Keeps Apache's HTTP client from repeating calls by itself, as it does after 429, 503 and broken connections: when to try again is decided by Bactrian. */
public final class NoHttpRetries implements HttpClientConfigurer {

    @Override
    public void configureHttpClient(HttpClientBuilder client) {
        client.disableAutomaticRetries().disableCookieManagement().disableRedirectHandling();
    }
}
