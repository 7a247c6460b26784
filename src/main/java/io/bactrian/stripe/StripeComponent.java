package io.bactrian.stripe;

import java.time.Duration;
import java.util.Map;
import org.apache.camel.Endpoint;
import org.apache.camel.support.DefaultComponent;

/**
 * The component behind {@code stripe:customers}, {@code stripe:invoices}, …: one call to Stripe's API for each message, JSON in, JSON out.
 *
 * <p>URIs, headers and options are those of Apache's camel-stripe and more; see {@link StripeHeaders} and {@link StripeOptions}. The
 * options of the component are the defaults of its endpoints. A second account is a second component under another name, or an
 * endpoint with its own {@code apiKey}. It never retries: that is the route's affair.
 */
public class StripeComponent extends DefaultComponent {

    private final StripeOptions defaults = new StripeOptions();

    @Override
    protected Endpoint createEndpoint(String uri, String remaining, Map<String, Object> parameters) throws Exception {
        var options = defaults.copy();
        setProperties(options, parameters);
        var endpoint = new StripeEndpoint(uri, this, StripeResource.named(remaining), options);
        setProperties(endpoint, parameters);
        return endpoint;
    }

    /** The defaults of its endpoints. */
    StripeOptions options() {
        return defaults;
    }

    public void setApiKey(String apiKey) {
        defaults.setApiKey(apiKey);
    }

    public void setApiBase(String apiBase) {
        defaults.setApiBase(apiBase);
    }

    public void setApiVersion(String apiVersion) {
        defaults.setApiVersion(apiVersion);
    }

    public void setStripeAccount(String stripeAccount) {
        defaults.setStripeAccount(stripeAccount);
    }

    public void setConnectTimeout(Duration connectTimeout) {
        defaults.setConnectTimeout(connectTimeout);
    }

    public void setReadTimeout(Duration readTimeout) {
        defaults.setReadTimeout(readTimeout);
    }
}
