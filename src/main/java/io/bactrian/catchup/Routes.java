package io.bactrian.catchup;

import org.apache.camel.CamelContext;
import org.apache.camel.Exchange;
import org.apache.camel.ProducerTemplate;
import org.apache.camel.support.DefaultExchange;

/** The routes of systems, asked for work that others go before. */
final class Routes {

    private final CamelContext camel;
    private final ProducerTemplate routes;

    Routes(CamelContext camel) {
        this.camel = camel;
        routes = camel.createProducerTemplate();
    }

    /** An exchange about a system: body <code>{}</code>, the variables system and background. */
    Exchange exchange(String system) {
        var exchange = new DefaultExchange(camel);
        exchange.getMessage().setBody("{}"); // jq takes none for a fault
        exchange.setVariable("system", system);
        exchange.setVariable("background", "true");
        return exchange;
    }

    /** Sends to the route {@code direct:<name>}, and fails as it does. */
    void send(String name, Exchange exchange) throws Exception {
        routes.send("direct:" + name + "?block=false", exchange);
        var failure = exchange.getException();
        exchange.setException(null);
        exchange.setRouteStop(false);
        if (failure != null) {
            throw failure;
        }
    }
}
