package io.bactrian.routes;

import static org.awaitility.Awaitility.await;
import static org.hamcrest.Matchers.hasSize;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.zaxxer.hikari.HikariDataSource;
import io.bactrian.TestApplication;
import io.bactrian.TestServices;
import io.bactrian.UnderWay;
import io.bactrian.sandbox.SandboxKafka;
import io.bactrian.sandbox.stripe.ApiCall;
import io.bactrian.sandbox.stripe.Fault;
import io.bactrian.sandbox.stripe.StripeSimulator;
import io.bactrian.sync.Sql;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.awaitility.core.ConditionFactory;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** Customers between Postgres and Stripe, and a second Stripe account that the same templates serve. */
class StripeCustomersRouteTest {

    private static final String ADDRESS = "{\"line1\": \"12 St James Square\", \"city\": \"London\", \"postal_code\": \"SW1Y 4JH\", \"country\": \"GB\"}";

    private static final List<Fault> PASSING = List.of(Fault.SERVER_ERROR, Fault.TOO_MANY_REQUESTS, Fault.LOCK_TIMEOUT, Fault.RESET_BEFORE_COMMIT,
            Fault.RESET_AFTER_COMMIT, Fault.HANG_AFTER_COMMIT);

    private static TestServices.Database database;
    private static HikariDataSource hub;
    private static SandboxKafka kafka;
    private static StripeSimulator stripe;
    private static StripeSimulator eu;
    private static TestApplication application;
    private static UnderWay underWay;

    @BeforeAll
    static void start() throws Exception {
        database = TestServices.database();
        hub = TestServices.pool(database.dataSource());
        kafka = SandboxKafka.startTemporary();
        stripe = StripeSimulator.start(StripeSimulator.Options.inMemory());
        eu = StripeSimulator.start(StripeSimulator.Options.inMemory().withApiKey("sk_test_eu").withWebhookSecret("whsec_eu"));
        application = TestApplication.builder().postgres(database.jdbcUrl()).kafka(kafka)
                .with("camel.main.routes-include-pattern", "file:routes/**/*.camel.yaml,file:src/test/resources/routes/stripe-eu-customers.camel.yaml")
                .with("stripe.api-base", stripe.baseUrl().toString())
                .with("camel.component.stripe.connect-timeout", "500ms")
                .with("camel.component.stripe.read-timeout", "1500ms")
                .with("camel.beans.stripeEu", "#class:io.bactrian.stripe.StripeComponent")
                .with("camel.beans.stripeEu.api-key", "sk_test_eu")
                .with("camel.beans.stripeEu.api-base", eu.baseUrl().toString())
                .with("camel.beans.stripeEuSignature", "#class:io.bactrian.stripe.StripeSignature")
                .with("camel.beans.stripeEuSignature.secrets", "whsec_eu")
                .with("sync.lease", "5 seconds")
                .with("retry.interval", "200")
                .with("kafka.consumers", "2")
                .start();
        stripe.webhookUrl(application.url("/webhooks/stripe").toString());
        eu.webhookUrl(application.url("/webhooks/stripe-eu").toString());
        underWay = new UnderWay(hub, kafka.bootstrap(), () -> stripe.webhooksIdle() && eu.webhooksIdle());
    }

    @AfterAll
    static void stop() throws Exception {
        try (var lastKafka = kafka; var lastStripe = stripe; var lastEu = eu; var then = application; var lastButOne = hub; var first = underWay) {
            // Closed, in the opposite order.
        }
    }

    @AfterEach
    void endFaults() {
        stripe.faults().clear();
        eu.faults().clear();
    }

    @Test
    void calls_are_under_way_at_once_however_few_read_the_topic() throws Exception {
        stripe.faults().latency(1_000, 0); // less than the time-out
        try (var sql = Sql.open(hub)) {
            eventually().until(() -> {
                sql.run("insert into customers (name) values ('at once'), ('at once')");
                return sql.number("select count(*) from sync.link where system = 'stripe' and lease_token is not null") > 10;
            });
        } finally {
            stripe.faults().latency(0, 0);
        }
        underWay.awaitNothing();
        assertEquals(text("select count(*) from customers where name = 'at once'"),
                Long.toString(stripe.dashboard().customers().stream().filter(customer -> customer.get("name").asText("").equals("at once")).count()));
    }

    @Test
    void changes_of_a_record_that_wait_together_are_one_look() throws Exception {
        var id = insertSynced("name", "'Ada'");
        underWay.awaitNothing();
        var before = calls(stripe, id).size();
        application.stopRoute("stripe-customers");
        try (var sql = Sql.open(hub)) {
            for (int i = 1; i <= 10; i++) {
                sql.run("update customers set phone = '+" + i + "' where id = " + id);
            }
        }
        application.startRoute("stripe-customers");
        eventually().until(() -> customer(stripe, id).path("phone").asText(), "+10"::equals);
        underWay.awaitNothing();
        assertEquals(before + 1, calls(stripe, id).size());
    }

    @Test
    void a_row_becomes_a_customer() throws Exception {
        var id = insert("name, email, phone, description, address",
                "'Zoë O''Neill 😀', 'zoe@example.com', '+47 22 00 00 00', 'first' || chr(10) || 'second', '" + ADDRESS + "'");
        underWay.awaitNothing();
        var customer = customer(stripe, id);
        assertEquals("Zoë O'Neill 😀", customer.path("name").asText());
        assertEquals("zoe@example.com", customer.path("email").asText());
        assertEquals("+47 22 00 00 00", customer.path("phone").asText());
        assertEquals("first\nsecond", customer.path("description").asText());
        assertEquals("SW1Y 4JH", customer.at("/address/postal_code").asText());
        assertTrue(customer.at("/address/line2").isNull());
        assertEquals(id, customer.at("/metadata/hub_id").asText());

        var create = calls(stripe, id).get(0);
        assertEquals("POST /v1/customers 200", create.method() + " " + create.path() + " " + create.status());
        assertTrue(create.idempotencyKey().startsWith("bactrian:" + text("select sync.hub()") + ":customers:" + id + ":"), create::idempotencyKey);
        assertEquals(1, calls(stripe, id).size());
        assertEquals("1", text("select count(*) from customers where email = 'zoe@example.com'"));
    }

    @Test
    void two_rows_with_one_email_become_two_customers() throws Exception {
        var one = insert("name, email", "'Ann', 'family@example.com'");
        var other = insert("name, email", "'Bob', 'family@example.com'");
        assertNotEquals(linked("stripe", one), linked("stripe", other));
        underWay.awaitNothing();
        assertEquals("2", text("select count(*) from customers where email = 'family@example.com'"));
    }

    @Test
    void an_update_sends_only_the_fields_that_moved() throws Exception {
        var id = insertSynced("name, email, phone, address", "'Ada', 'ada@example.com', '+44', '" + ADDRESS + "'");
        run("update customers set phone = '+45', updated_at = now() where id = " + id);
        var update = eventually().until(() -> calls(stripe, id), hasSize(1)).get(0);
        assertEquals("/v1/customers/" + linked("stripe", id), update.path());
        assertEquals(Map.of("phone", "+45"), update.params());
        assertTrue(update.idempotencyKey().startsWith("bactrian:" + text("select sync.hub()") + ":customers:" + id + ":"), update::idempotencyKey);
        underWay.awaitNothing();
        assertEquals(1, calls(stripe, id).size());

        run("update customers set address = address || '{\"city\": \"Ockham\"}' where id = " + id);
        var moved = eventually().until(() -> calls(stripe, id), hasSize(2)).get(1);
        assertEquals(Set.of("address"), moved.params().keySet());
        eventually().until(() -> customer(stripe, id).at("/address/city").asText().equals("Ockham"));
        assertEquals("12 St James Square", customer(stripe, id).at("/address/line1").asText());
    }

    @Test
    void ten_edits_at_once_cost_one_or_two_calls() throws Exception {
        var id = insertSynced("name", "'0'");
        try (var sql = sql()) {
            sql.connection().setAutoCommit(false);
            for (int i = 1; i <= 10; i++) {
                sql.run("update customers set name = ? where id = ?", Integer.toString(i), Long.parseLong(id));
            }
            sql.connection().commit();
        }
        eventually().until(() -> customer(stripe, id).path("name").asText().equals("10"));
        underWay.awaitNothing();
        assertTrue(calls(stripe, id).size() <= 2, () -> calls(stripe, id).toString());
    }

    @Test
    void clearing_a_field_clears_it_in_stripe() throws Exception {
        var id = insertSynced("name, email, phone, description, address", "'Ada', 'ada@example.com', '+44', 'first', '" + ADDRESS + "'");
        run("update customers set email = null, phone = null, description = null, address = address - 'postal_code' where id = " + id);
        underWay.awaitNothing();
        var customer = customer(stripe, id);
        assertTrue(customer.path("email").isNull());
        assertTrue(customer.path("phone").isNull());
        assertTrue(customer.path("description").isNull());
        assertTrue(customer.at("/address/postal_code").isNull());
        assertEquals("London", customer.at("/address/city").asText());

        run("update customers set address = null, name = null where id = " + id);
        underWay.awaitNothing();
        assertTrue(customer(stripe, id).path("address").isNull());
        assertTrue(customer(stripe, id).path("name").isNull());
    }

    @Test
    void clearing_a_field_in_stripe_clears_it_in_the_row() throws Exception {
        var id = insertSynced("name, email, phone, address", "'Ada', 'ada@example.com', '+44', '" + ADDRESS + "'");
        stripe.dashboard().updateCustomer(linked("stripe", id), Map.of("email", "", "address", ""));
        eventually().until(() -> text("select email is null and address is null and phone = '+44' from customers where id = " + id).equals("true"));
    }

    @Test
    void a_deleted_row_deletes_the_customer() throws Exception {
        var id = insertSynced("name", "'Ada'");
        var externalId = linked("stripe", id);
        run("delete from customers where id = " + id);
        eventually().until(() -> stripe.dashboard().customer(externalId).path("deleted").asBoolean());
        underWay.awaitNothing();
        var delete = calls(stripe, id).get(0);
        assertEquals("DELETE", delete.method());
        assertEquals(Map.of(), delete.params());
        assertEquals(1, calls(stripe, id).size());
    }

    @Test
    void metadata_of_others_is_left_alone() throws Exception {
        var id = insertSynced("name", "'Ada'");
        stripe.dashboard().updateCustomer(linked("stripe", id), Map.of("metadata", Map.of("plan", "gold")));
        underWay.awaitNothing();
        run("update customers set name = 'Ada King', email = 'ada@example.com' where id = " + id);
        eventually().until(() -> customer(stripe, id).path("name").asText().equals("Ada King"));
        assertEquals("gold", customer(stripe, id).at("/metadata/plan").asText());
        assertEquals(id, customer(stripe, id).at("/metadata/hub_id").asText());
        assertEquals(List.of(Set.of("name", "email")), calls(stripe, id).stream().map(call -> call.params().keySet()).toList());
    }

    @Test
    void a_customer_made_in_the_dashboard_becomes_a_row_and_follows_it() throws Exception {
        var externalId = stripe.dashboard().createCustomer(Map.of("name", "Grace", "email", "grace@example.com")).path("id").asText();
        eventually().until(() -> text("select count(*) from sync.link where external_id = '" + externalId + "'").equals("1"));
        var id = text("select record_id from sync.link where external_id = '" + externalId + "'");
        stripe.dashboard().updateCustomer(externalId, Map.of("name", "Grace Hopper"));
        eventually().until(() -> text("select name from customers where id = " + id).equals("Grace Hopper"));
        underWay.awaitNothing();
        assertEquals(List.of(), calls(stripe, id));

        run("update customers set phone = '+1' where id = " + id);
        eventually().until(() -> customer(stripe, id).path("phone").asText().equals("+1"));
        stripe.dashboard().deleteCustomer(externalId);
        eventually().until(() -> text("select count(*) from customers where id = " + id).equals("0"));
        underWay.awaitNothing();
        assertEquals(List.of(Map.of("phone", "+1")), calls(stripe, id).stream().map(ApiCall::params).toList());
    }

    @Test
    void an_edit_goes_everywhere_but_where_it_came_from() throws Exception {
        var externalId = stripe.dashboard().createCustomer(Map.of("name", "Two homes")).path("id").asText();
        eventually().until(() -> text("select count(*) from sync.link where external_id = '" + externalId + "'").equals("1"));
        var id = text("select record_id from sync.link where external_id = '" + externalId + "'");
        assertEquals("Two homes", customer(eu, id).path("name").asText());

        eu.dashboard().updateCustomer(linked("stripe-eu", id), Map.of("name", "Moved", "address", Map.of("city", "Berlin", "country", "DE")));
        eventually().until(() -> customer(stripe, id).path("name").asText().equals("Moved"));
        underWay.awaitNothing();
        assertEquals("Berlin", customer(stripe, id).at("/address/city").asText());
        assertEquals(1, calls(stripe, id).size());
        assertEquals(1, calls(eu, id).size());

        run("update customers set name = 'From the hub' where id = " + id);
        eventually().until(() -> customer(stripe, id).path("name").asText().equals("From the hub")
                && customer(eu, id).path("name").asText().equals("From the hub"));
        stripe.dashboard().deleteCustomer(externalId);
        eventually().until(() -> eu.dashboard().customer(linked("stripe-eu", id)).path("deleted").asBoolean());
        assertEquals("0", text("select count(*) from customers where id = " + id));
    }

    @Test
    void a_customer_that_is_gone_in_stripe_takes_its_row_along() throws Exception {
        var id = insertSynced("name, phone", "'Ada', '+44'");
        stripe.faults().next(Fault.WEBHOOK_LOST, 1);
        stripe.dashboard().deleteCustomer(linked("stripe", id));
        run("update customers set name = 'Ada King' where id = " + id);
        eventually().until(() -> text("select count(*) from customers where id = " + id).equals("0"));
        underWay.awaitNothing();
        try (var sql = sql()) {
            var conflict = sql.row("select field, base::text, local::text, remote::text, winner from sync.conflict where record_id = ? and system = 'stripe'", id);
            assertEquals("{field=name, base=\"Ada\", local=\"Ada King\", remote=null, winner=remote}", conflict.toString());
        }
        assertTrue(eu.dashboard().customer(linked("stripe-eu", id)).path("deleted").asBoolean());
    }

    @Test
    void what_stripe_refuses_is_kept_with_the_reason_until_it_is_put_right() throws Exception {
        var id = insert("name, email", "'Ada', 'not an e-mail'");
        eventually().until(() -> failure("stripe", id) != null);
        var failure = failure("stripe", id);
        assertEquals("out", failure.get("direction"));
        assertNull(failure.get("next_attempt_at"));
        assertEquals("email_invalid", failure.get("code"));
        assertTrue(failure.get("reason").toString().contains("email"), failure::toString);
        assertFalse(failure.get("reason").toString().contains("not an e-mail"), failure::toString);
        assertEquals(calls(stripe, id).get(0).requestId(), failure.get("request_id"));

        run("update customers set email = 'ada@example.com' where id = " + id);
        assertEquals("ada@example.com", customer(stripe, id).path("email").asText());
        underWay.awaitNothing();
        assertNull(failure("stripe", id));
        assertEquals(List.of(400, 200), calls(stripe, id).stream().map(ApiCall::status).toList());
    }

    @Test
    void what_stripe_refuses_is_not_asked_again_until_it_changes_or_a_person_says_so() throws Exception {
        var id = insert("name, email", "'Ada', 'ada@example.com'");
        linked("stripe", id);
        underWay.awaitNothing();
        stripe.faults().latency(100, 0);
        try (var sql = sql()) {
            sql.connection().setAutoCommit(false);
            sql.run("update customers set email = 'no e-mail' where id = ?::bigint", id);
            sql.run("update customers set email = 'not an e-mail' where id = ?::bigint", id);
            sql.connection().commit();
        } finally {
            eventually().until(() -> failure("stripe", id) != null);
            stripe.faults().clear();
        }
        run("update customers set created_at = created_at - interval '1 day' where id = " + id);
        run("select sync.poke('customers', '" + id + "', 'stripe')");
        underWay.awaitNothing();
        assertEquals(List.of(200, 400), calls(stripe, id).stream().map(ApiCall::status).toList());
        assertEquals("email_invalid", failure("stripe", id).get("code"));

        run("select sync.retry('stripe', 'customers', '" + id + "')");
        eventually().until(() -> calls(stripe, id).stream().map(ApiCall::status).toList(), List.of(200, 400, 400)::equals);
        underWay.awaitNothing();
        run("update customers set email = 'not an e-mail either' where id = " + id);
        eventually().until(() -> calls(stripe, id).stream().map(ApiCall::status).toList(), List.of(200, 400, 400, 400)::equals);
        run("update customers set email = 'ada@example.com' where id = " + id);
        underWay.awaitNothing();
        assertNull(failure("stripe", id));
    }

    @Test
    void a_create_that_fails_is_tried_again_without_doubling() throws Exception {
        var ids = new ArrayList<String>();
        for (var fault : PASSING) {
            var strikes = struck();
            stripe.faults().only("POST", null).next(fault, 1);
            ids.add(insert("name", "'" + fault + "'"));
            eventually().alias(fault.name()).until(() -> struck() > strikes);
        }
        for (var id : ids) {
            assertEquals(text("select name from customers where id = " + id), customer(stripe, id).path("name").asText());
        }
        underWay.awaitNothing();
        for (var id : ids) {
            assertNull(failure("stripe", id));
            assertEquals(1, stripe.dashboard().customers().stream().filter(customer -> customer.at("/metadata/hub_id").asText().equals(id)).count());
            assertEquals(1, calls(stripe, id).stream().filter(ApiCall::wrote).count());
        }
    }

    @Test
    void a_create_of_which_neither_answer_nor_webhook_came_is_repeated_with_its_key() throws Exception {
        underWay.awaitNothing();
        stripe.faults().only("POST", null).next(Fault.HANG_AFTER_COMMIT, 1).next(Fault.WEBHOOK_LOST, 1);
        var id = insert("name", "'made once'");
        linked("stripe", id);
        underWay.awaitNothing();
        assertEquals(1, stripe.dashboard().customers().stream().filter(customer -> customer.at("/metadata/hub_id").asText().equals(id)).count());
        assertEquals(1, calls(stripe, id).stream().map(ApiCall::idempotencyKey).distinct().count());
        assertEquals(List.of(false, true), calls(stripe, id).stream().map(ApiCall::replayed).toList());
    }

    @Test
    void an_update_that_fails_is_tried_again_without_doubling() throws Exception {
        var ids = new ArrayList<String>();
        for (var fault : PASSING) {
            ids.add(insert("name", "'" + fault + "'"));
        }
        for (var id : ids) {
            linked("stripe", id);
        }
        underWay.awaitNothing();
        for (int i = 0; i < ids.size(); i++) {
            var strikes = struck();
            stripe.faults().only("POST", "/v1/customers/" + linked("stripe", ids.get(i))).next(PASSING.get(i), 1);
            run("update customers set name = 'again' where id = " + ids.get(i));
            eventually().alias(PASSING.get(i).name()).until(() -> struck() > strikes);
        }
        for (var id : ids) {
            eventually().until(() -> customer(stripe, id).path("name").asText().equals("again"));
        }
        underWay.awaitNothing();
        for (var id : ids) {
            assertNull(failure("stripe", id));
        }
    }

    @Test
    void a_record_that_fails_holds_up_no_other() throws Exception {
        var stuck = insertSynced("name", "'stuck'");
        stripe.faults().only("POST", "/v1/customers/" + linked("stripe", stuck)).probability(Fault.TOO_MANY_REQUESTS, 1);
        run("update customers set name = 'still stuck' where id = " + stuck);
        eventually().until(() -> failure("stripe", stuck) != null);
        for (int i = 0; i < 20; i++) {
            insert("name", "'passes by'");
        }
        eventually().until(() -> stripe.dashboard().customers().stream().filter(customer -> customer.path("name").asText().equals("passes by")).count() == 20);
        eventually().until(() -> customer(eu, stuck).path("name").asText().equals("still stuck"));
        assertEquals("stuck", customer(stripe, stuck).path("name").asText());
        assertEquals("rate_limit", failure("stripe", stuck).get("code"));

        stripe.faults().clear();
        eventually().until(() -> customer(stripe, stuck).path("name").asText().equals("still stuck"));
        underWay.awaitNothing();
        assertNull(failure("stripe", stuck));
    }

    @Test
    void an_edit_of_one_row_does_not_wait_for_a_statement_that_changed_many() throws Exception {
        stripe.faults().latency(600, 100);
        try {
            run("insert into customers (name) select 'of many' from generate_series(1, 900)");
            var alone = insert("name", "'alone'");
            linked("stripe", alone);
            var before = stripe.dashboard().customers().stream().filter(customer -> customer.path("name").asText().equals("of many")).count();
            assertTrue(before < 450, before + " of 900 went before it");
        } finally {
            stripe.faults().clear();
        }
        eventually().until(() -> stripe.dashboard().customers().stream().filter(customer -> customer.path("name").asText().equals("of many")).count() == 900);
        underWay.awaitNothing();
    }

    @Test
    void a_change_that_nobody_heard_of_is_found_by_the_sweep() throws Exception {
        application.stopRoute("capture-heartbeat");
        application.stopRoute("capture-listen");
        try {
            assertEquals("unheard", customer(stripe, insert("name", "'unheard'")).path("name").asText());
        } finally {
            application.startRoute("capture-listen");
            application.startRoute("capture-heartbeat");
        }
    }

    @Test
    void a_system_that_does_not_answer_is_left_alone_and_what_changes_meanwhile_waits_for_it() throws Exception {
        underWay.awaitNothing();
        stripe.faults().probability(Fault.SERVER_ERROR, 1);
        for (int i = 0; i < 30; i++) {
            insert("name", "'an outage'");
        }
        eventually().until(() -> !texts("select open_because from sync.system where name = 'stripe' and open_since is not null").isEmpty());
        underWay.awaitIdleConsumers();
        stripe.clearApiCalls();
        int before = texts("select 1 from sync.failure").size();
        for (int i = 0; i < 100; i++) {
            insert("name", "'an outage'");
        }
        eventually().until(() -> eu.dashboard().customers().stream().filter(customer -> customer.path("name").asText().equals("an outage")).count() == 130);
        underWay.awaitIdleConsumers();
        var seconds = Double.parseDouble(text("select extract(epoch from clock_timestamp() - open_since) from sync.system where name = 'stripe'"));
        assertTrue(stripe.apiCalls().size() <= seconds / 5 + 1, () -> stripe.apiCalls().size() + " calls in " + seconds + " s");
        assertTrue(texts("select 1 from sync.failure").size() <= before, "records wait, and are no failures");

        stripe.faults().clear();
        underWay.awaitNothing();
        assertEquals(130, stripe.dashboard().customers().stream().filter(customer -> customer.path("name").asText().equals("an outage")).count());
        assertEquals("0", text("select count(*) from sync.system where open_since is not null"));
        assertEquals("0", text("select count(*) from sync.failure"));
    }

    @Test
    void a_paused_system_gets_what_changed_when_it_is_resumed() throws Exception {
        var id = insertSynced("name", "'before'");
        run("select sync.pause('stripe', 'both', 'for a test')");
        run("update customers set name = 'during' where id = " + id);
        eventually().until(() -> customer(eu, id).path("name").asText().equals("during"));
        stripe.dashboard().updateCustomer(linked("stripe", id), Map.of("phone", "+44"));
        eventually().until(() -> texts("select 1 from sync.event where outcome = 'held'"), hasSize(1));
        eventually().until(() -> texts("select 1 from sync.link where parked_at is not null"), hasSize(1));
        assertEquals(List.of(), calls(stripe, id));
        assertNull(text("select phone from customers where id = " + id));

        run("select sync.resume('stripe')");
        eventually().until(() -> customer(stripe, id).path("name").asText().equals("during"));
        eventually().until(() -> text("select phone is not distinct from '+44' from customers where id = " + id).equals("true"));
        underWay.awaitNothing();
    }

    @Test
    void a_create_whose_key_stripe_has_forgotten_is_looked_for_before_it_is_repeated() throws Exception {
        underWay.awaitNothing();
        stripe.clearApiCalls();
        stripe.faults().only("POST", null).next(Fault.HANG_AFTER_COMMIT, 1).next(Fault.WEBHOOK_LOST, 1);
        var found = insert("name", "'made, nobody knows'");
        eventually().until(() -> failure("stripe", found) != null);
        run("select sync.pause('stripe', 'out', 'for a test')");
        stripe.faults().clear().only("POST", null).next(Fault.RESET_BEFORE_COMMIT, 1);
        run("select sync.resume('stripe', 'out')");
        run("update sync.link set in_flight_at = now() - interval '24 hours' where system = 'stripe' and in_flight_op = 'create'");
        linked("stripe", found);
        underWay.awaitNothing();
        assertEquals(1, stripe.dashboard().customers().stream().filter(customer -> customer.at("/metadata/hub_id").asText().equals(found)).count());
        assertEquals(1, stripe.apiCalls().stream().filter(call -> call.path().equals("/v1/customers") && call.method().equals("GET")).count());
    }

    /** Stripe takes an empty text for the wish to have none, and refuses it in a create. */
    @Test
    void an_empty_text_is_none() throws Exception {
        var id = insert("name, email, phone, description", "'', '', '', ''");
        linked("stripe", id);
        underWay.awaitNothing();
        run("update customers set description = 'some' where id = " + id);
        eventually().until(() -> customer(stripe, id).path("description").asText().equals("some"));
        run("update customers set description = '' where id = " + id);
        eventually().until(() -> customer(stripe, id).path("description").isNull());
        underWay.awaitNothing();
        assertNull(failure("stripe", id));
    }

    @Test
    void a_record_that_cannot_be_mapped_is_kept_until_it_can() throws Exception {
        application.stopRoute("stripe-customers-from-hub");
        var id = insert("name", "'Ada'");
        for (var system : List.of("stripe", "stripe-eu")) {
            eventually().until(() -> failure(system, id) != null);
            assertEquals("mapping", failure(system, id).get("code"));
            assertNull(failure(system, id).get("next_attempt_at"));
        }
        assertEquals(List.of(), calls(eu, id));

        application.startRoute("stripe-customers-from-hub");
        run("update customers set description = 'can be mapped' where id = " + id);
        assertEquals("can be mapped", customer(eu, id).path("description").asText());
        assertEquals("can be mapped", customer(stripe, id).path("description").asText());
        underWay.awaitNothing();
        assertNull(failure("stripe-eu", id));
    }

    @Test
    void a_second_account_is_a_system_and_an_integration_of_at_most_25_lines() throws Exception {
        var eu = Files.readString(Path.of("src/test/resources/routes/stripe-eu-customers.camel.yaml"));
        var customers = Files.readString(Path.of("routes/stripe-customers.camel.yaml"));
        assertTrue(eu.lines().count() <= 25, eu);
        assertTrue(customers.lines().count() <= 40, customers);
        assertFalse((eu + customers).contains("setVariable"));
    }

    @Test
    void a_webhook_that_comes_before_the_answer_makes_no_second_row() throws Exception {
        stripe.faults().only("POST", null).next(Fault.HANG_AFTER_COMMIT, 1);
        var id = insert("name, email", "'Early', 'early@example.com'");
        var externalId = linked("stripe", id);
        assertEquals("echo", text("select outcome from sync.event where system = 'stripe' and external_id = '" + externalId + "' and type = 'customer.created'"));
        stripe.dashboard().updateCustomer(externalId, Map.of("phone", "+44"));
        eventually().until(() -> text("select phone is not distinct from '+44' from customers where id = " + id).equals("true"));
        underWay.awaitNothing();
        assertEquals("1", text("select count(*) from customers where email = 'early@example.com'"));
        assertEquals(1, stripe.dashboard().customers().stream().filter(customer -> customer.path("email").asText().equals("early@example.com")).count());
        assertNull(failure("stripe", id));
    }

    @Test
    void edits_of_different_fields_on_both_sides_at_once_both_survive() throws Exception {
        var id = insertSynced("name, phone", "'Ada', '+44'");
        stripe.faults().webhookDelay(300, 300);
        stripe.dashboard().updateCustomer(linked("stripe", id), Map.of("phone", "+45"));
        run("update customers set name = 'Ada King' where id = " + id);
        eventually().until(() -> text("select name || phone from customers where id = " + id).equals("Ada King+45"));
        underWay.awaitNothing();
        assertEquals("Ada King", customer(stripe, id).path("name").asText());
        assertEquals("+45", customer(stripe, id).path("phone").asText());
        assertEquals("0", text("select count(*) from sync.conflict where system = 'stripe' and record_id = '" + id + "'"));
    }

    @Test
    void nothing_is_left_of_a_customer_who_was_deleted_on_both_sides_and_forgotten() throws Exception {
        var id = insertSynced("name, email", "'Unforgotten Uma', 'uma@unforgotten.example'");
        run("update customers set name = 'Unforgotten Una' where id = " + id);
        stripe.dashboard().updateCustomer(linked("stripe", id), Map.of("name", "Unforgotten Ursula"));
        underWay.awaitNothing();
        run("delete from customers where id = " + id);
        eventually().until(() -> customer(stripe, id).path("deleted").asBoolean() && customer(eu, id).path("deleted").asBoolean());
        underWay.awaitNothing();
        try (var sql = sql()) {
            assertTrue(sql.traces("nforgotten").contains("link"));
            sql.run("select sync.forget_deleted('0')");
            assertEquals(List.of(), sql.traces("nforgotten"));
        }
    }

    /** How many calls a fault has struck. */
    private static long struck() {
        return stripe.apiCalls().stream().filter(call -> call.status() != 200 || !call.answered()).count();
    }

    private static ConditionFactory eventually() {
        return await().atMost(Duration.ofMinutes(1)).pollInterval(Duration.ofMillis(20));
    }

    private static String insert(String columns, String values) throws SQLException {
        return text("insert into customers (" + columns + ") values (" + values + ") returning id");
    }

    /** Inserts a row, waits until both accounts have it, and forgets the calls so far. */
    private static String insertSynced(String columns, String values) throws SQLException {
        var id = insert(columns, values);
        linked("stripe", id);
        linked("stripe-eu", id);
        underWay.awaitNothing();
        stripe.clearApiCalls();
        eu.clearApiCalls();
        return id;
    }

    /** Waits until a record has an object in a system, and returns its id. */
    private static String linked(String system, String id) {
        var query = "select external_id from sync.link where external_id is not null and system = '" + system + "' and record_id = '" + id + "'";
        return eventually().until(() -> texts(query), hasSize(1)).get(0);
    }

    /** A record's customer, as soon as there is one. */
    private static JsonNode customer(StripeSimulator account, String id) {
        return account.dashboard().customer(linked(account == stripe ? "stripe" : "stripe-eu", id));
    }

    /** The writes about a record, refused ones too. */
    private static List<ApiCall> calls(StripeSimulator account, String id) {
        var externalIds = texts("select external_id from sync.link where external_id is not null and record_id = '" + id + "'");
        return account.apiCalls().stream()
                .filter(call -> !call.method().equals("GET"))
                .filter(call -> externalIds.stream().anyMatch(call.path()::endsWith)
                        || call.params().get("metadata") instanceof Map<?, ?> metadata && id.equals(metadata.get("hub_id")))
                .toList();
    }

    private static Map<String, Object> failure(String system, String id) throws SQLException {
        try (var sql = sql()) {
            var rows = sql.rows("select direction, next_attempt_at, code, reason, request_id from sync.failure where system = ? and record_id = ?", system, id);
            return rows.isEmpty() ? null : rows.get(0);
        }
    }

    private static List<String> texts(String query) {
        try (var sql = sql()) {
            return sql.texts(query);
        } catch (SQLException e) {
            throw new AssertionError(e);
        }
    }

    private static String text(String query) throws SQLException {
        try (var sql = sql()) {
            return sql.text(query);
        }
    }

    private static void run(String statement) throws SQLException {
        try (var sql = sql()) {
            sql.run(statement);
        }
    }

    private static Sql sql() throws SQLException {
        return Sql.open(hub);
    }
}
