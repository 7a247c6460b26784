package io.bactrian.stripe;

import org.apache.camel.Consumer;
import org.apache.camel.Processor;
import org.apache.camel.Producer;
import org.apache.camel.support.DefaultEndpoint;

/** One kind of Stripe object in one account. */
public class StripeEndpoint extends DefaultEndpoint {

    private final StripeResource resource;
    private final StripeOptions options;
    private String method = "";

    StripeEndpoint(String uri, StripeComponent component, StripeResource resource, StripeOptions options) {
        super(uri, component);
        this.resource = resource;
        this.options = options;
    }

    /** What to do, unless the message says so itself: {@code create} (the default), {@code retrieve}, {@code update}, {@code delete}, {@code list}, … */
    public void setMethod(String method) {
        if (!method.isBlank()) {
            resource.verb(method);
        }
        this.method = method;
    }

    /** The method for a message that names none: {@code create} unless the option says otherwise. */
    public String getMethod() {
        return method.isBlank() ? "create" : method;
    }

    StripeResource resource() {
        return resource;
    }

    StripeOptions options() {
        return options;
    }

    @Override
    public Producer createProducer() {
        options.validate(scheme());
        return new StripeProducer(this);
    }

    @Override
    public Consumer createConsumer(Processor processor) {
        throw new UnsupportedOperationException("Nothing can be read from " + scheme() + ":" + resource.name()
                + ": Stripe's changes come by webhook, or from a timer that lists stripe:events");
    }

    private String scheme() {
        var uri = getEndpointUri();
        return uri.substring(0, uri.indexOf(':'));
    }
}
