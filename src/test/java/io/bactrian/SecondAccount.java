package io.bactrian;

import io.bactrian.sandbox.stripe.StripeSimulator;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/** A second Stripe account beside that of {@link TwoSides}, with the same customers: another system, to see whether it notices anything. */
final class SecondAccount implements AutoCloseable {

    static final String SYSTEM = "stripe-eu";

    private static final String ROUTE = "stripe-eu-customers.camel.yaml";

    private final StripeSimulator account = StripeSimulator.start(StripeSimulator.Options.inMemory().withApiKey("sk_test_eu").withWebhookSecret("whsec_eu"));

    /** To be called before the application's start. */
    SecondAccount(TwoSides sides) throws IOException {
        Files.copy(Path.of("src/test/resources/routes", ROUTE), sides.directory().resolve("routes").resolve(ROUTE));
        Files.writeString(sides.directory().resolve("application.properties"), """

                camel.beans.stripeEu=#class:io.bactrian.stripe.StripeComponent
                camel.beans.stripeEu.api-key=sk_test_eu
                camel.beans.stripeEu.api-base=%s
                camel.beans.stripeEuSignature=#class:io.bactrian.stripe.StripeSignature
                camel.beans.stripeEuSignature.secrets=whsec_eu
                """.formatted(account.baseUrl()), StandardOpenOption.APPEND);
    }

    StripeSimulator account() {
        return account;
    }

    @Override
    public void close() {
        account.close();
    }
}
