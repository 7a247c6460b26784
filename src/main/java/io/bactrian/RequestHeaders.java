package io.bactrian;

import org.apache.camel.Exchange;
import org.apache.camel.component.platform.http.vertx.HttpMessage;
import org.apache.camel.http.base.HttpHeaderFilterStrategy;

/**
 * Makes headers of a message out of an HTTP request's headers only. camel-platform-http makes them also out of the parameters of its query
 * or form, which then pass for headers.
 */
public final class RequestHeaders extends HttpHeaderFilterStrategy {

    @Override
    public boolean applyFilterToExternalHeaders(String name, Object value, Exchange exchange) {
        return super.applyFilterToExternalHeaders(name, value, exchange)
                || !value.equals(exchange.getMessage(HttpMessage.class).getRequest().getHeader(name));
    }
}
