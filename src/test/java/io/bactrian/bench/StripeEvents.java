package io.bactrian.bench;

import com.stripe.net.Webhook;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.time.Instant;

/** Webhooks about customers as Stripe sends them, signed and ready to be written to a connection. */
final class StripeEvents {

    static final String SECRET = "whsec_sandbox";

    private StripeEvents() {
    }

    /**
     * A customer has been created in Stripe.
     *
     * @param path where it is sent
     * @param created the event's time in epoch seconds
     */
    static byte[] created(String path, int customer, String name, long created) {
        return request(path, "evt_c" + customer, "customer.created", customer, name, created, "");
    }

    /** A customer's name has been changed in Stripe. */
    static byte[] updated(String path, int customer, String name, String previousName, int version, long created) {
        return request(path, "evt_u" + customer + "_" + version, "customer.updated", customer, name, created, """
                ,
                    "previous_attributes": {
                      "name": "%s"
                    }""".formatted(previousName));
    }

    private static byte[] request(String path, String event, String type, int customer, String name, long created, String previous) {
        var body = """
                {
                  "id": "%s",
                  "object": "event",
                  "api_version": "2026-07-29.dahlia",
                  "created": %d,
                  "data": {
                    "object": {
                      "id": "cus_bench%d",
                      "object": "customer",
                      "address": {
                        "city": "Berlin",
                        "country": "DE",
                        "line1": "Unter den Linden 1",
                        "line2": null,
                        "postal_code": "10117",
                        "state": null
                      },
                      "balance": 0,
                      "created": 1700000000,
                      "currency": null,
                      "default_source": null,
                      "delinquent": false,
                      "description": "made by the benchmark",
                      "discount": null,
                      "email": "customer%d@example.com",
                      "invoice_prefix": "5A3F0B1C",
                      "invoice_settings": {
                        "custom_fields": null,
                        "default_payment_method": null,
                        "footer": null,
                        "rendering_options": null
                      },
                      "livemode": false,
                      "metadata": {},
                      "name": "%s",
                      "next_invoice_sequence": 1,
                      "phone": "+4930%d",
                      "preferred_locales": [],
                      "shipping": null,
                      "tax_exempt": "none",
                      "test_clock": null
                    }%s
                  },
                  "livemode": false,
                  "pending_webhooks": 1,
                  "request": {
                    "id": null,
                    "idempotency_key": null
                  },
                  "type": "%s"
                }""".formatted(event, created, customer, customer, name, customer, previous, type);
        long now = Instant.now().getEpochSecond();
        return """
                POST %s HTTP/1.1\r
                Host: 127.0.0.1\r
                Content-Type: application/json; charset=utf-8\r
                Content-Length: %d\r
                Stripe-Signature: t=%d,v1=%s\r
                User-Agent: Stripe/1.0 (+https://stripe.com/docs/webhooks)\r
                \r
                %s""".formatted(path, body.length(), now, sign(now + "." + body), body).getBytes(StandardCharsets.US_ASCII);
    }

    private static String sign(String payload) {
        try {
            return Webhook.Util.computeHmacSha256(SECRET, payload);
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException(e);
        }
    }
}
