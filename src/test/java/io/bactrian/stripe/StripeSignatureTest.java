package io.bactrian.stripe;

import static io.bactrian.stripe.StripeSignature.Result.MALFORMED;
import static io.bactrian.stripe.StripeSignature.Result.MISSING;
import static io.bactrian.stripe.StripeSignature.Result.NO_MATCH;
import static io.bactrian.stripe.StripeSignature.Result.NO_SECRET;
import static io.bactrian.stripe.StripeSignature.Result.OK;
import static io.bactrian.stripe.StripeSignature.Result.STALE;
import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.nio.charset.StandardCharsets;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The signatures are made with {@code printf '%s' '1700000000.<body>' | openssl dgst -sha256 -hmac <secret>}. */
class StripeSignatureTest {

    private static final String BODY = "{\"id\":\"evt_1\",\"object\":\"event\"}";
    private static final String BY_ONE = "fe79aee1a002fffa0e48e9e0419752a55f344c646cc7cba408ff68411d3d7a4e";
    private static final String BY_TWO = "b69178dc863611687c43df34b349404ffc7b16692271c89de73b433310b9a39c";
    private static final String HEADER = "t=1700000000,v1=" + BY_ONE;

    private final StripeSignature signature = at(1_700_000_000);

    private static StripeSignature at(long epochSecond) {
        var signature = new StripeSignature(Clock.fixed(Instant.ofEpochSecond(epochSecond), ZoneOffset.UTC));
        signature.setSecrets("whsec_one");
        return signature;
    }

    private static byte[] bytes(String body) {
        return body.getBytes(StandardCharsets.UTF_8);
    }

    @Test
    void accepts_a_signature_of_the_body() {
        assertEquals(OK, signature.check(HEADER, bytes(BODY)));
    }

    @Test
    void accepts_the_same_webhook_again() {
        signature.check(HEADER, bytes(BODY));

        assertEquals(OK, signature.check(HEADER, bytes(BODY)));
    }

    @Test
    void refuses_a_body_of_which_one_byte_differs() {
        assertEquals(NO_MATCH, signature.check(HEADER, bytes(BODY + "\n")));
    }

    @Test
    void refuses_another_time_than_the_signed_one() {
        assertEquals(NO_MATCH, signature.check("t=1700000001,v1=" + BY_ONE, bytes(BODY)));
    }

    @Test
    void refuses_a_signature_by_another_secret() {
        assertEquals(NO_MATCH, signature.check("t=1700000000,v1=" + BY_TWO, bytes(BODY)));
    }

    @Test
    void accepts_names_and_emoji() {
        assertEquals(OK, signature.check("t=1700000000,v1=b6cbbf932a0f7df41cb7af7ad3b12406cedcee74588acf1554ca16acff89577e",
                bytes("{\"name\":\"Zoë 😀 Ünal\"}")));
    }

    @Test
    void accepts_bytes_that_are_no_text() {
        assertEquals(OK, signature.check("t=1700000000,v1=e2ba132bcc23dc9e9b699d58206aa6988eac9ca4ff8bd48d83c69a6ce6a9b532",
                new byte[] {(byte) 0xff, (byte) 0xfe, 0, '{', '}'}));
    }

    @Test
    void takes_no_body_for_an_empty_one() {
        var header = "t=1700000000,v1=2bdfe1e99000c40e8036c905f2b5ab9e4e5acb946b2fa0d2e27ff96b7bd91b55";

        assertEquals(OK, signature.check(header, null));
        assertEquals(OK, signature.check(header, new byte[0]));
    }

    @ParameterizedTest
    @ValueSource(strings = {"whsec_two,whsec_one", " whsec_one , whsec_two ", "whsec_one,,"})
    void accepts_any_of_several_secrets(String secrets) {
        signature.setSecrets(secrets);

        assertEquals(OK, signature.check(HEADER, bytes(BODY)));
    }

    @Test
    void accepts_any_of_several_signatures() {
        assertEquals(OK, signature.check("t=1700000000,v1=" + BY_TWO + ",v1=" + BY_ONE, bytes(BODY)));
    }

    @Test
    void no_longer_accepts_a_secret_that_was_removed() {
        signature.setSecrets("whsec_two");

        assertEquals(NO_MATCH, signature.check(HEADER, bytes(BODY)));
    }

    @Test
    void passes_over_other_schemes() {
        assertEquals(OK, signature.check("v0=abc,t=1700000000,v1=" + BY_ONE + ",v2=def", bytes(BODY)));
        assertEquals(MALFORMED, signature.check("t=1700000000,v0=" + BY_ONE, bytes(BODY)));
    }

    @ParameterizedTest
    @CsvSource({"1699999700, OK", "1699999699, STALE", "1700000300, OK", "1700000301, STALE"})
    void accepts_five_minutes_in_both_directions(long now, StripeSignature.Result expected) {
        assertEquals(expected, at(now).check(HEADER, bytes(BODY)));
    }

    @Test
    void accepts_as_much_time_as_it_is_told_to() {
        var later = at(1_700_000_061);
        later.setTolerance(Duration.ofMinutes(1));
        assertEquals(STALE, later.check(HEADER, bytes(BODY)));

        later.setTolerance(Duration.ofSeconds(61));
        assertEquals(OK, later.check(HEADER, bytes(BODY)));

        assertThrows(IllegalArgumentException.class, () -> later.setTolerance(Duration.ofSeconds(-1)));
    }

    @Test
    void tells_a_forged_webhook_nothing_about_the_clock() {
        assertEquals(NO_MATCH, at(1_800_000_000).check("t=1700000000,v1=" + BY_TWO, bytes(BODY)));
    }

    @ParameterizedTest
    @ValueSource(strings = {
        "nonsense", ",", "=", "t=", "t=1700000000", "t=,v1=" + BY_ONE, "v1=" + BY_ONE, "t=soon,v1=" + BY_ONE, "t=-1700000000,v1=" + BY_ONE,
        "t=99999999999999999999,v1=" + BY_ONE, "t=1700000000,t=1700000000,v1=" + BY_ONE, "t=1700000000,v1=" + BY_ONE + ",trailing",
        "t=١٧٠٠٠٠٠٠٠٠,v1=" + BY_ONE})
    void refuses_a_malformed_header(String header) {
        assertEquals(MALFORMED, signature.check(header, bytes(BODY)));
    }

    @ParameterizedTest
    @ValueSource(strings = {"t=1700000000,v1=", "t=1700000000,v1=é", "t=1700000000,v1=fe79", "t=01700000000,v1=" + BY_ONE})
    void refuses_a_signature_of_another_shape(String header) {
        assertEquals(NO_MATCH, signature.check(header, bytes(BODY)));
    }

    @Test
    void refuses_a_missing_header() {
        assertEquals(MISSING, signature.check(null, bytes(BODY)));
        assertEquals(MISSING, signature.check(" ", bytes(BODY)));
    }

    @ParameterizedTest
    @ValueSource(strings = {"", " ", ",", " , "})
    void refuses_everything_without_a_secret(String secrets) {
        signature.setSecrets(secrets);

        assertEquals(NO_SECRET, signature.check(HEADER, bytes(BODY)));
        assertEquals(NO_SECRET, new StripeSignature().check(HEADER, bytes(BODY)));
    }

    @Test
    void lets_a_genuine_webhook_pass_and_says_why_another_does_not() {
        assertDoesNotThrow(() -> signature.verify(HEADER, bytes(BODY)));

        var refusal = assertThrows(InvalidSignatureException.class, () -> signature.verify(HEADER, bytes("{}")));
        assertEquals("no signature in the header Stripe-Signature matches the body", refusal.getMessage());
        assertFalse(refusal.getMessage().contains("whsec"));
    }

    @Test
    void checks_webhooks_on_several_threads_at_once() {
        var failures = java.util.stream.IntStream.range(0, 2000).parallel()
                .filter(i -> signature.check(HEADER, bytes(BODY)) != OK)
                .count();

        assertEquals(0, failures);
    }
}
