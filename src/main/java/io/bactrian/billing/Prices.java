package io.bactrian.billing;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.bactrian.stripe.StripeCalls;
import org.apache.camel.Exchange;

/** The prices of a product. A price is an object of its own in Stripe, and its amount never changes. */
public final class Prices {

    private static final int PAGE = 100;

    private StripeCalls calls;

    /** What makes the calls. */
    public void setCalls(StripeCalls calls) {
        this.calls = calls;
    }

    /**
     * Archives the price that a product had before, and those that an interrupted change left behind. In: body the product, with its new price; the variable
     * old_price, and those of calls.
     */
    public void retire(Exchange exchange) throws Exception {
        var product = exchange.getMessage().getBody(JsonNode.class);
        var present = product.path("default_price").asText("");
        var old = exchange.getVariable("old_price", "", String.class);
        for (var price : active(exchange, product).path("data")) {
            var id = price.path("id").asText();
            if (!id.equals(present) && (id.equals(old) || price.path("metadata").hasNonNull("hub_id"))) {
                calls.answer(exchange, call("update").put("id", id).set("request", JsonNodeFactory.instance.objectNode().put("active", false)));
            }
        }
    }

    private JsonNode active(Exchange exchange, JsonNode product) throws Exception {
        var request = JsonNodeFactory.instance.objectNode().put("product", product.path("id").asText()).put("active", true).put("limit", PAGE);
        return calls.answer(exchange, call("list").set("request", request));
    }

    private static ObjectNode call(String method) {
        return JsonNodeFactory.instance.objectNode().put("resource", "prices").put("method", method);
    }
}
