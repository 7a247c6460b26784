package io.bactrian.routes;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.bactrian.sandbox.stripe.Fault;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.sql.SQLException;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Products with their prices between Postgres and Stripe. */
class StripeProductsRouteTest {

    private static StripeScene scene;

    @BeforeAll
    static void start() throws Exception {
        scene = new StripeScene();
    }

    @AfterAll
    static void stop() throws Exception {
        scene.close();
    }

    @BeforeEach
    void begin() throws SQLException {
        scene.begin();
    }

    @ParameterizedTest
    @CsvSource({"JPY, 9900", "EUR, 9900", "KWD, 9990", "usd, 0", "EUR, 99999999"})
    void a_row_becomes_a_product_with_its_price(String currency, long amount) throws Exception {
        var id = insert("'Saddle', 'for two', " + amount + ", '" + currency + "'");
        scene.linked("products", id);
        scene.awaitEqual();
        var product = product(id);
        assertEquals("for two", product.get("description").asText());
        assertEquals(id, product.at("/metadata/hub_id").asText());
        assertEquals(amount, product.at("/default_price/unit_amount").asLong());
        assertEquals(currency.toLowerCase(), product.at("/default_price/currency").asText());
        assertEquals(1, prices(product, true).size());
    }

    @Test
    void a_row_without_a_price_becomes_a_product_without_one_and_gets_one_later() throws Exception {
        var id = insert("'Advice', null, null, null");
        scene.linked("products", id);
        scene.awaitEqual();
        assertTrue(product(id).get("default_price").isNull());
        scene.run("update products set unit_amount = 5, currency = 'EUR' where id = " + id);
        scene.awaitEqual();
        assertEquals(5, product(id).at("/default_price/unit_amount").asLong());
    }

    @Test
    void another_price_is_a_new_one_and_the_old_one_is_retired() throws Exception {
        var id = insert("'Saddle', null, 100, 'EUR'");
        scene.linked("products", id);
        scene.awaitEqual();
        var old = product(id).at("/default_price/id").asText();
        scene.run("update products set unit_amount = 200 where id = " + id);
        scene.awaitEqual();
        assertEquals(Set.of(product(id).at("/default_price/id").asText()), prices(product(id), true));
        assertEquals(Set.of(old), prices(product(id), false));
        scene.run("update products set currency = 'JPY' where id = " + id);
        scene.awaitEqual();
        scene.run("update products set unit_amount = 100, currency = 'EUR' where id = " + id);
        scene.awaitEqual();
        assertEquals(1, prices(product(id), true).size());
    }

    @Test
    void a_price_that_is_unset_is_retired() throws Exception {
        var id = insert("'Saddle', null, 100, 'EUR'");
        scene.linked("products", id);
        scene.awaitEqual();
        scene.run("update products set unit_amount = null, currency = null where id = " + id);
        scene.awaitEqual();
        assertTrue(product(id).get("default_price").isNull());
        assertEquals(Set.of(), prices(product(id), true));
    }

    @Test
    void a_price_change_that_is_cut_off_leaves_no_second_price() throws Exception {
        var id = insert("'Saddle', null, 100, 'EUR'");
        scene.linked("products", id);
        scene.awaitEqual();
        scene.stripe().faults().only("POST", null).next(Fault.HANG_AFTER_COMMIT, 2);
        scene.run("update products set unit_amount = 300 where id = " + id);
        scene.awaitEqual();
        assertEquals(300, product(id).at("/default_price/unit_amount").asLong());
        assertEquals(1, prices(product(id), true).size());
    }

    @Test
    void name_description_and_archiving_follow() throws Exception {
        var id = insert("'Saddle', 'for two', 100, 'EUR'");
        scene.linked("products", id);
        scene.awaitEqual();
        scene.stripe().clearApiCalls();
        scene.run("update products set name = 'Seat', description = null, active = false where id = " + id);
        scene.awaitEqual();
        assertFalse(product(id).get("active").asBoolean());
        assertTrue(product(id).get("description").isNull());
        assertEquals(1, scene.stripe().apiCalls().stream().filter(call -> call.method().equals("POST")).count());
        scene.run("update products set active = true where id = " + id);
        scene.awaitEqual();
    }

    @Test
    void a_deleted_row_archives_a_product_with_prices_and_deletes_one_without() throws Exception {
        var priced = insert("'Saddle', null, 100, 'EUR'");
        var bare = insert("'Advice', null, null, null");
        var pricedThere = scene.linked("products", priced);
        var bareThere = scene.linked("products", bare);
        scene.awaitEqual();
        scene.run("delete from products where id in (" + priced + ", " + bare + ")");
        scene.awaitEqual();
        assertFalse(scene.dashboard().product(pricedThere).get("active").asBoolean());
        assertTrue(scene.dashboard().products().stream().noneMatch(product -> product.get("id").asText().equals(bareThere)));
        assertEquals("0", scene.text("select count(*) from products where id in (" + priced + ", " + bare + ")"));
    }

    @Test
    void a_product_made_in_the_dashboard_arrives_and_its_price_changes_follow() throws Exception {
        var product = scene.dashboard().createProduct(Map.of("name", "Rope", "description", "long", "currency", "kwd", "unit_amount", 1230));
        var externalId = product.get("id").asText();
        var id = scene.record("products", product);
        scene.awaitText("Rope long 1230 KWD", "select name || ' ' || description || ' ' || unit_amount || ' ' || currency from products where id = " + id);
        scene.awaitEqual();
        scene.dashboard().updateProduct(externalId, Map.of("unit_amount", 4560, "name", "Long rope"));
        scene.awaitText("Long rope 4560", "select name || ' ' || unit_amount from products where id = " + id);
        scene.dashboard().updateProduct(externalId, Map.of("currency", "eur"));
        scene.awaitText("EUR", "select currency from products where id = " + id);
        scene.dashboard().updateProduct(externalId, Map.of("active", false));
        scene.awaitText("false", "select active from products where id = " + id);
        scene.awaitEqual();
        var unpriced = new HashMap<String, Object>();
        unpriced.put("unit_amount", null);
        scene.dashboard().updateProduct(externalId, unpriced);
        scene.awaitText("true", "select unit_amount is null and currency is null from products where id = " + id);
        scene.awaitEqual();
    }

    /** Its price is read by a call, and a call asks Postgres for leave. */
    @Test
    void what_postgres_keeps_from_being_read_is_no_failure_of_the_product() throws Exception {
        scene.run("alter function sync.permit rename to permit_is_away", "create sequence asked",
                "create function sync.permit(p_system text, p_class text, p_rate numeric, p_background boolean) returns integer language plpgsql as"
                        + " $$ begin perform nextval('asked'); raise exception 'out of memory' using errcode = 'out_of_memory'; end $$");
        var product = scene.dashboard().createProduct(Map.of("name", "Saddle", "unit_amount", 100, "currency", "eur"));
        try {
            scene.awaitText("true", "select is_called from asked");
        } finally {
            scene.run("drop function sync.permit", "drop sequence asked", "alter function sync.permit_is_away rename to permit");
        }
        var id = scene.record("products", product);
        scene.awaitText("100 EUR", "select unit_amount || ' ' || currency from products where id = " + id);
        scene.awaitEqual();
    }

    @Test
    void a_product_deleted_in_the_dashboard_takes_its_row_along() throws Exception {
        var product = scene.dashboard().createProduct(Map.of("name", "Advice"));
        var id = scene.record("products", product);
        scene.dashboard().deleteProduct(product.get("id").asText());
        scene.awaitText("0", "select count(*) from products where id = " + id);
        scene.awaitEqual();
    }

    @Test
    void a_name_here_and_a_price_there_at_once_both_survive() throws Exception {
        var id = insert("'Saddle', null, 100, 'EUR'");
        var externalId = scene.linked("products", id);
        scene.awaitEqual();
        scene.stripe().faults().webhookDelay(300, 300);
        scene.dashboard().updateProduct(externalId, Map.of("unit_amount", 700));
        scene.run("update products set name = 'Seat' where id = " + id);
        scene.awaitText("Seat 700", "select name || ' ' || unit_amount from products where id = " + id);
        scene.awaitEqual();
        assertEquals("0", scene.text("select count(*) from sync.conflict where entity = 'products' and record_id = '" + id + "'"));
    }

    @ParameterizedTest
    @CsvSource({"hub, 300 EUR", "remote, 100 JPY"})
    void of_an_amount_here_and_a_currency_there_at_once_one_price_wins(String winner, String price) throws Exception {
        var id = insert("'Saddle', null, 100, 'EUR'");
        var externalId = scene.linked("products", id);
        scene.awaitEqual();
        scene.run("select sync.pause('stripe', 'both', 'for a test')");
        scene.run("update products set unit_amount = 300, updated_at = now() + interval '1 hour' * " + (winner.equals("hub") ? 1 : -1) + " where id = " + id);
        scene.dashboard().updateProduct(externalId, Map.of("currency", "jpy"));
        scene.awaitText("1", "select count(*) from sync.event where outcome = 'held' and type = 'product.updated'");
        scene.run("select sync.resume('stripe', 'in')"); // first: a price that our write replaces before its event is read is on no record
        scene.awaitText("0", "select count(*) from sync.event where outcome = 'held'");
        scene.run("select sync.resume('stripe', 'out')");
        scene.awaitText(price, "select unit_amount || ' ' || currency from products where id = " + id);
        scene.awaitEqual();
        assertEquals(List.of("currency " + winner, "unit_amount " + winner),
                scene.texts("select field || ' ' || winner from sync.conflict where entity = 'products' and record_id = '" + id + "' order by field"));
    }

    /** The default price as it was, and what it must still be after its amount has changed. */
    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            default_price_data[recurring][interval]=month&default_price_data[tax_behavior]=exclusive | month
            default_price_data[recurring][interval]=month&default_price_data[recurring][interval_count]=3 | 3 months
            default_price_data[recurring][interval]=year&default_price_data[recurring][usage_type]=metered | year
            default_price_data[tax_behavior]=inclusive |
            """)
    void another_amount_leaves_a_price_what_it_is(String price, String interval) throws Exception {
        var product = call("POST", "/v1/products", "name=Pro&default_price_data[currency]=eur&default_price_data[unit_amount]=1000&" + price);
        var id = scene.record("products", product);
        scene.awaitText("1000 per unit " + interval, "select concat_ws(' ', unit_amount, pricing, coalesce(price_interval, 'null')) from products where id = " + id);
        var old = call("POST", "/v1/prices/" + product.get("default_price").asText(), "lookup_key=pro_" + id + "&nickname=Pro plan&metadata[team]=sales");
        scene.awaitNothing();
        scene.run("update products set unit_amount = 1200 where id = " + id);
        scene.awaitEqual();
        var now = product(id).get("default_price");
        assertEquals(1200, now.get("unit_amount").asInt());
        for (var field : List.of("type", "recurring", "tax_behavior", "lookup_key", "nickname", "currency")) {
            assertEquals(old.get(field), now.get(field), field);
        }
        assertEquals("sales", now.at("/metadata/team").asText());
        var before = call("GET", "/v1/prices/" + old.get("id").asText(), "");
        assertFalse(before.get("active").asBoolean());
        assertTrue(before.get("lookup_key").isNull());
        assertEquals(2, prices(product(id), true).size() + prices(product(id), false).size());
    }

    @Test
    void a_lookup_key_is_not_lost_when_the_change_is_interrupted_in_the_midst() throws Exception {
        var product = call("POST", "/v1/products", "name=Pro&default_price_data[currency]=eur&default_price_data[unit_amount]=1000&default_price_data[recurring][interval]=month");
        var id = scene.record("products", product);
        call("POST", "/v1/prices/" + product.get("default_price").asText(), "lookup_key=key_" + id);
        scene.awaitNothing();
        scene.stripe().faults().only("POST", "/v1/products/").next(Fault.SERVER_ERROR, 2);
        scene.stripe().clearApiCalls();
        scene.run("update products set unit_amount = 1200 where id = " + id);
        scene.awaitEqual();
        assertEquals("key_" + id, product(id).at("/default_price/lookup_key").asText());
        assertEquals("month", product(id).at("/default_price/recurring/interval").asText());
        assertEquals(1, prices(product(id), true).size());
    }

    /** The price that the first change made has the key already; then comes another amount, or the old one again. */
    @ParameterizedTest
    @ValueSource(ints = {1300, 1000})
    void a_lookup_key_is_not_lost_when_the_amount_changes_again_meanwhile(int then) throws Exception {
        var product = call("POST", "/v1/products", "name=Pro&default_price_data[currency]=eur&default_price_data[unit_amount]=1000&default_price_data[recurring][interval]=month");
        var id = scene.record("products", product);
        call("POST", "/v1/prices/" + product.get("default_price").asText(), "lookup_key=again_" + id);
        scene.awaitNothing();
        scene.stripe().faults().only("POST", "/v1/products/").probability(Fault.SERVER_ERROR, 1);
        scene.run("update products set unit_amount = 1200 where id = " + id);
        StripeScene.eventually().until(() -> prices(product(id), true).size() == 2);
        scene.run("update products set unit_amount = " + then + " where id = " + id);
        scene.stripe().faults().clear();
        scene.awaitEqual();
        assertEquals(then + " again_" + id, product(id).at("/default_price/unit_amount").asText() + " " + product(id).at("/default_price/lookup_key").asText());
        assertEquals(1, prices(product(id), true).size());
    }

    @Test
    void a_price_that_the_dashboard_added_beside_the_default_one_is_left_alone() throws Exception {
        var id = insert("'Saddle', null, 100, 'EUR'");
        var there = scene.linked("products", id);
        scene.awaitEqual();
        var beside = call("POST", "/v1/prices", "product=" + there + "&currency=eur&unit_amount=90&nickname=friends").get("id").asText();
        scene.run("update products set unit_amount = 200 where id = " + id);
        scene.awaitEqual();
        assertTrue(prices(product(id), true).contains(beside));
    }

    /** Prices that one integer cannot tell, and what they are called here. */
    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            unit_amount_decimal=0.89 | fraction
            billing_scheme=tiered&tiers_mode=graduated&tiers[0][up_to]=10&tiers[0][unit_amount]=500&tiers[1][up_to]=inf&tiers[1][unit_amount]=300 | tiered
            custom_unit_amount[enabled]=true | custom
            """)
    void a_price_that_one_amount_cannot_tell_is_told_and_never_replaced(String price, String pricing) throws Exception {
        var product = call("POST", "/v1/products", "name=Calls");
        var id = scene.record("products", product);
        var there = call("POST", "/v1/prices", "currency=usd&product=" + product.get("id").asText() + "&" + price).get("id").asText();
        call("POST", "/v1/products/" + product.get("id").asText(), "default_price=" + there);
        scene.awaitText("null " + pricing, "select concat_ws(' ', coalesce(unit_amount::text, 'null'), pricing) from products where id = " + id);
        scene.awaitNothing();
        scene.run("update products set unit_amount = 1, currency = 'USD' where id = " + id);
        assertTrue(scene.refusal("products", id).contains("take the amount here back"));
        assertEquals(there, product(id).at("/default_price/id").asText());
        assertTrue(product(id).at("/default_price/active").asBoolean());
        scene.run("update products set unit_amount = null, currency = null where id = " + id);
        scene.awaitEqual();
        assertEquals(there, product(id).at("/default_price/id").asText());
    }

    @Test
    void a_package_price_stays_one() throws Exception {
        var product = call("POST", "/v1/products", "name=Eggs");
        var id = scene.record("products", product);
        var there = call("POST", "/v1/prices", "currency=usd&unit_amount=500&transform_quantity[divide_by]=5&transform_quantity[round]=up&product=" + product.get("id").asText());
        call("POST", "/v1/products/" + product.get("id").asText(), "default_price=" + there.get("id").asText());
        scene.awaitText("500 package", "select concat_ws(' ', unit_amount, pricing) from products where id = " + id);
        scene.run("update products set unit_amount = 600 where id = " + id);
        scene.awaitEqual();
        assertEquals(there.get("transform_quantity"), product(id).at("/default_price/transform_quantity"));
        assertEquals(600, product(id).at("/default_price/unit_amount").asInt());
    }

    @Test
    void amounts_in_other_currencies_stay_and_keep_the_currency_from_changing() throws Exception {
        var product = call("POST", "/v1/products", "name=World");
        var id = scene.record("products", product);
        var there = call("POST", "/v1/prices", "currency=usd&unit_amount=500&currency_options[eur][unit_amount]=450&product=" + product.get("id").asText());
        call("POST", "/v1/products/" + product.get("id").asText(), "default_price=" + there.get("id").asText());
        scene.awaitText("500", "select unit_amount from products where id = " + id);
        scene.run("update products set unit_amount = 600 where id = " + id);
        scene.awaitEqual();
        var options = call("GET", "/v1/prices?active=true&expand[]=data.currency_options&product=" + product.get("id").asText(), "").at("/data/0/currency_options");
        assertEquals(450, options.at("/eur/unit_amount").asInt());
        scene.run("update products set currency = 'JPY' where id = " + id);
        assertTrue(scene.refusal("products", id).contains("other currencies"));
        scene.run("update products set currency = 'USD' where id = " + id);
        scene.awaitEqual();
    }

    @Test
    void what_kind_of_price_it_is_belongs_to_stripe_and_an_edit_is_put_back() throws Exception {
        var id = insert("'Saddle', null, 100, 'EUR'");
        scene.linked("products", id);
        scene.awaitText("per unit", "select pricing from products where id = " + id);
        scene.awaitEqual();
        scene.run("update products set pricing = 'tiered', description = 'edited' where id = " + id);
        scene.awaitText("per unit", "select pricing from products where id = " + id);
        scene.awaitEqual();
        assertEquals("edited", product(id).get("description").asText());
        assertEquals(List.of("\"tiered\" remote"), scene.texts("select local::text || ' ' || winner from sync.conflict where entity = 'products' and field = 'pricing' and record_id = '" + id + "'"));
    }

    /** A call of the API as somebody's own program makes it; the form's values need no encoding. */
    private static JsonNode call(String method, String path, String form) throws Exception {
        var request = HttpRequest.newBuilder(URI.create(scene.stripe().baseUrl() + path.replace("[", "%5B").replace("]", "%5D")))
                .header("Authorization", "Bearer sk_test_sandbox").header("Content-Type", "application/x-www-form-urlencoded")
                .method(method, method.equals("GET") ? HttpRequest.BodyPublishers.noBody() : HttpRequest.BodyPublishers.ofString(form.replace("[", "%5B").replace("]", "%5D").replace(" ", "+"))).build();
        var answer = new ObjectMapper().readTree(HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString()).body());
        assertFalse(answer.has("error"), answer::toString);
        return answer;
    }

    private static String insert(String values) throws SQLException {
        return scene.text("insert into products (name, description, unit_amount, currency) values (" + values + ") returning id");
    }

    private static JsonNode product(String id) {
        return scene.dashboard().product(scene.linked("products", id));
    }

    /** The ids of a product's prices, of those that are for sale or of those that are not. */
    private static Set<String> prices(JsonNode product, boolean active) throws Exception {
        var request = HttpRequest.newBuilder(URI.create(scene.stripe().baseUrl() + "/v1/prices?limit=100&product=" + product.get("id").asText() + "&active=" + active))
                .header("Authorization", "Bearer sk_test_sandbox").build();
        var ids = new TreeSet<String>();
        var answer = HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString()).body();
        new ObjectMapper().readTree(answer).get("data").forEach(price -> ids.add(price.get("id").asText()));
        return ids;
    }
}
