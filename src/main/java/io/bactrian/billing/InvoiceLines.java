package io.bactrian.billing;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.bactrian.stripe.StripeApiException;
import io.bactrian.stripe.StripeCalls;
import org.apache.camel.Exchange;

/** Reads the lines of an invoice that does not show all, because it shows ten. */
public final class InvoiceLines {

    private static final int PAGE = 100;
    private static final int NOT_FOUND = 404;

    private StripeCalls calls;

    /** What makes the calls. */
    public void setCalls(StripeCalls calls) {
        this.calls = calls;
    }

    /**
     * Completes an invoice. In: body an object with lines; the variables of calls. Out: body the same, with all of them. They are read from the first on: a line that
     * is shown may be gone by now, and nothing can be listed after it.
     */
    public void complete(Exchange exchange) throws Exception {
        var invoice = exchange.getMessage().getBody(JsonNode.class).<ObjectNode>deepCopy();
        if (invoice.path("lines").path("has_more").asBoolean()) {
            ((ObjectNode) invoice.get("lines")).put("has_more", false).set("data", all(exchange, invoice.path("id").asText()));
        }
        exchange.getMessage().setBody(invoice);
    }

    private ArrayNode all(Exchange exchange, String invoice) throws Exception {
        var lines = JsonNodeFactory.instance.arrayNode();
        boolean more = true;
        while (more) {
            var page = page(exchange, invoice, lines);
            lines.addAll((ArrayNode) page.get("data"));
            more = page.path("has_more").asBoolean();
        }
        return lines;
    }

    private JsonNode page(Exchange exchange, String invoice, ArrayNode before) throws Exception {
        var json = JsonNodeFactory.instance;
        var request = json.objectNode().put("limit", PAGE);
        if (!before.isEmpty()) {
            request.set("starting_after", before.get(before.size() - 1).get("id"));
        }
        try {
            return calls.answer(exchange, json.objectNode().put("resource", "invoices").put("method", "listLines").put("id", invoice).set("request", request));
        } catch (StripeApiException e) {
            if (e.getHttpStatus() == NOT_FOUND) { // the invoice is gone, and so are its lines
                return json.objectNode().set("data", json.arrayNode());
            }
            throw e;
        }
    }
}
