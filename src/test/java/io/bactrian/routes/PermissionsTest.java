package io.bactrian.routes;

import static io.bactrian.routes.StripeScene.eventually;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.bactrian.sandbox.stripe.Access.Level;
import io.bactrian.sandbox.stripe.ApiCall;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** A key that lacks a permission: what it stops, what goes on, and what is told. */
class PermissionsTest {

    private static StripeScene scene;

    @BeforeAll
    static void start() throws Exception {
        scene = new StripeScene(builder -> builder.with("watch.interval", "500").with("stripe.concurrency", "2"));
    }

    @AfterAll
    static void stop() throws Exception {
        scene.close();
    }

    @BeforeEach
    void begin() throws Exception {
        scene.stripe().access().clear();
        scene.stripe().apiVersion("2026-07-29.dahlia");
        scene.run("select sync.resume('stripe')");
        scene.begin();
        scene.run("delete from sync.scope");
    }

    @Test
    void invoices_that_may_not_be_written_wait_and_customers_go_on() throws Exception {
        scene.stripe().access().limit("invoices", Level.NONE);
        var customer = scene.text("insert into customers (name) values ('Ada') returning id");
        var invoice = invoice(customer);
        scene.awaitText("1", "select count(*) from sync.link where parked_at is not null and entity = 'invoices' and record_id = '" + invoice + "'");

        assertEquals("0", scene.text("select count(*) from sync.system where out_paused_at is not null"));
        assertEquals("stripe invoices out rak_invoice_write", scene.text("select concat_ws(' ', system, entity, direction, permission) from sync.scope where stopped_at is not null"));
        eventually().until(() -> scene.application().manage("/observe/health").contains("has not let us write invoices"));
        var health = scene.application().manage("/observe/health");
        assertTrue(health.contains("rak_invoice_write"), health);
        assertFalse(health.contains("rk_") || health.contains("sk_") || health.contains("acct_"), health);
        eventually().until(() -> scene.application().manage("/observe/metrics").contains("bactrian_stopped{"));

        scene.run("update customers set phone = '1' where id = " + customer);
        var object = scene.linked("customers", customer);
        eventually().until(() -> scene.dashboard().customer(object).get("phone").asText().equals("1"));
        scene.dashboard().updateCustomer(object, Map.of("phone", "2"));
        scene.awaitText("2", "select phone from customers where id = " + customer);
        assertEquals(List.of(), scene.texts("select reason from sync.failure"));

        scene.stripe().access().clear();
        scene.linked("invoices", invoice);
        scene.awaitEqual();
        assertEquals("0", scene.text("select count(*) from sync.scope where stopped_at is not null"));
        eventually().until(() -> !scene.application().manage("/observe/health").contains("has not let us"));
    }

    @Test
    void while_it_is_stopped_few_calls_are_made_and_a_resume_tries_at_once() throws Exception {
        scene.stripe().access().limit("products", Level.READ);
        scene.run("insert into products (name) select 'Product ' || n from generate_series(1, 40) n");
        scene.awaitText("40", "select count(*) from sync.link where parked_at is not null and entity = 'products'");
        assertTrue(scene.stripe().apiCalls().stream().filter(call -> call.status() == 403).count() < 15, "those under way, and a probe or two");
        scene.stripe().access().clear();
        scene.run("select sync.resume('stripe')");
        scene.awaitText("40", "select count(*) from sync.link where external_id is not null and entity = 'products' and record_id in (select id::text from products where name like 'Product %')");
        scene.awaitEqual();
    }

    @Test
    void a_product_whose_price_may_not_be_read_waits_and_is_never_without_it() throws Exception {
        scene.stripe().access().limit("prices", Level.NONE);
        var product = scene.dashboard().createProduct(Map.of("name", "Lamp", "unit_amount", 1999, "currency", "eur"));
        var id = product.get("id").asText();
        scene.awaitText("hint", "select outcome from sync.event where type = 'product.created' and external_id = '" + id + "'");
        var customer = scene.dashboard().createCustomer(Map.of("name", "Ada"));
        scene.record("customers", customer);
        eventually().until(() -> scene.application().manage("/observe/health").contains("has not let us read products"));
        assertTrue(scene.application().manage("/observe/health").contains("rak_plan_read"));
        assertEquals(List.of(), scene.texts("select reason from sync.failure"));
        assertEquals("0", scene.text("select count(*) from products where name = 'Lamp'"));

        scene.stripe().access().clear();
        scene.awaitText("1999 EUR", "select unit_amount || ' ' || currency from products where id = " + scene.record("products", product));
        scene.awaitEqual();
    }

    @Test
    void a_price_that_is_known_is_not_lost_when_it_may_no_longer_be_read() throws Exception {
        var product = scene.dashboard().createProduct(Map.of("name", "Chair", "unit_amount", 500, "currency", "eur"));
        var record = scene.record("products", product);
        scene.awaitEqual();
        scene.stripe().access().limit("prices", Level.NONE);
        scene.dashboard().updateProduct(product.get("id").asText(), Map.of("name", "Armchair", "unit_amount", 700));
        scene.awaitText("1", "select count(*) from sync.scope where stopped_at is not null and entity = 'products' and direction = 'in'");
        assertEquals("Armchair 500", scene.text("select name || ' ' || unit_amount from products where id = " + record));
        scene.run("update products set description = 'soft' where id = " + record);
        eventually().until(() -> scene.dashboard().product(product.get("id").asText()).get("description").asText().equals("soft"));

        scene.stripe().access().clear();
        scene.awaitText("Armchair 700", "select name || ' ' || unit_amount from products where id = " + record);
        scene.awaitEqual();
        assertEquals(0, scene.stripe().apiCalls().stream().filter(ApiCall::wrote).filter(call -> call.path().startsWith("/v1/prices")).count());
    }

    @Test
    void a_customer_who_alone_may_not_be_read_is_a_failure_of_his_own() throws Exception {
        var hidden = scene.dashboard().createCustomer(Map.of("name", "Ada"));
        var shown = scene.dashboard().createCustomer(Map.of("name", "Bob"));
        var record = scene.record("customers", hidden);
        var other = scene.record("customers", shown);
        scene.stripe().access().hide(hidden.get("id").asText());
        scene.stripe().apiVersion("2024-06-20");
        scene.dashboard().updateCustomer(hidden.get("id").asText(), Map.of("phone", "1"));
        scene.awaitText("1", "select count(*) from sync.scope where stopped_at is not null and entity = 'customers' and direction = 'in' and object = '" + record + "'");
        scene.dashboard().updateCustomer(shown.get("id").asText(), Map.of("phone", "2"));
        scene.awaitText("2", "select phone from customers where id = " + other);
        assertTrue(scene.refusal("customers", record).contains("rak_customer_read"));
        assertEquals("Ada", scene.text("select name from customers where id = " + record));
        scene.dashboard().updateCustomer(shown.get("id").asText(), Map.of("phone", "3"));
        scene.awaitText("3", "select phone from customers where id = " + other);

        scene.stripe().access().clear();
        scene.run("select sync.retry('stripe', 'customers', '" + record + "')");
        scene.awaitText("1", "select phone from customers where id = " + record);
    }

    private static String invoice(String customer) throws Exception {
        return scene.text("with i as (insert into invoices (customer_id, currency) values (" + customer + ", 'EUR') returning id), l as (insert into invoice_items"
                + " (invoice_id, description, quantity, unit_amount) select id, 'Work', 3, 5000 from i) select id from i");
    }
}
