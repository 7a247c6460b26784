package io.bactrian.sandbox.stripe;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.stripe.StripeClient;
import com.stripe.param.CouponCreateParams;
import com.stripe.param.CouponUpdateParams;
import java.math.BigDecimal;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Coupons over HTTP. */
class CouponsTest {

    private StripeSimulator simulator;
    private Http http;

    @BeforeEach
    void start() throws Exception {
        simulator = StripeSimulator.start(StripeSimulator.Options.inMemory());
        http = Http.to(simulator);
    }

    @AfterEach
    void stop() {
        simulator.close();
    }

    @Test
    void are_created_renamed_and_deleted_by_stripe_java() throws Exception {
        var stripe = StripeClient.builder().setApiKey("sk_test_sandbox").setApiBase(simulator.baseUrl().toString()).build().v1();
        var coupon = stripe.coupons().create(CouponCreateParams.builder().setPercentOff(new BigDecimal("12.5")).setName("Spring").setMaxRedemptions(3L).build());
        assertTrue(coupon.getId().matches("[0-9A-Za-z]{8}"));
        assertEquals("once", coupon.getDuration());
        assertEquals(new BigDecimal("12.5"), coupon.getPercentOff());
        assertTrue(coupon.getValid());
        assertEquals("Summer", stripe.coupons().update(coupon.getId(), CouponUpdateParams.builder().setName("Summer").putMetadata("a", "1").build()).getName());
        assertEquals("Spring", http.get("/v1/events").json().at("/data/0/data/previous_attributes/name").asText());
        assertTrue(stripe.coupons().delete(coupon.getId()).getDeleted());
        assertEquals(404, http.get("/v1/coupons/" + coupon.getId()).status());
        assertEquals(List.of("coupon.deleted", "coupon.updated", "coupon.created"), http.get("/v1/events").json().get("data").findValuesAsText("type"));
    }

    @Test
    void take_an_id_of_ones_own_once() throws Exception {
        assertEquals("TEN", http.post("/v1/coupons", "id=TEN&amount_off=1000&currency=NOK&duration=repeating&duration_in_months=3").id());
        assertEquals("resource_already_exists", http.post("/v1/coupons", "id=TEN&percent_off=10").error().get("code").asText());
        assertEquals("nok", http.get("/v1/coupons").json().at("/data/0/currency").asText());
        assertTrue(http.post("/v1/coupons/TEN", "name=").json().get("name").isNull());
    }

    @ParameterizedTest
    @CsvSource({
        "name=Spring, percent_off",
        "percent_off=10&amount_off=10&currency=nok, percent_off",
        "percent_off=0, percent_off",
        "percent_off=100.1, percent_off",
        "amount_off=10, currency",
        "percent_off=10&currency=nok, currency",
        "percent_off=10&duration=twice, duration",
        "percent_off=10&duration=repeating, duration_in_months",
        "percent_off=10&duration_in_months=3, duration_in_months",
        "percent_off=10&redeem_by=1, redeem_by",
        "percent_off=10&name=12345678901234567890123456789012345678901, name",
    })
    void refuse_what_stripe_refuses(String form, String param) throws Exception {
        var reply = http.post("/v1/coupons", form);
        assertEquals(400, reply.status());
        assertEquals(param, reply.error().get("param").asText());
        assertEquals(0, http.get("/v1/coupons").json().get("data").size());
    }

    @Test
    void keep_what_they_are_worth() throws Exception {
        var path = "/v1/coupons/" + http.post("/v1/coupons", "percent_off=10").id();
        assertEquals("parameter_unknown", http.post(path, "percent_off=20").error().get("code").asText());
    }
}
