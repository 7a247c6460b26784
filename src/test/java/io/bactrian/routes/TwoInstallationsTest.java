package io.bactrian.routes;

import static org.awaitility.Awaitility.await;
import static org.hamcrest.Matchers.hasSize;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.zaxxer.hikari.HikariDataSource;
import io.bactrian.TestApplication;
import io.bactrian.TestServices;
import io.bactrian.UnderWay;
import io.bactrian.sandbox.SandboxKafka;
import io.bactrian.sandbox.stripe.ApiCall;
import io.bactrian.sandbox.stripe.Fault;
import io.bactrian.sandbox.stripe.StripeSimulator;
import io.bactrian.sync.Sql;
import java.io.IOException;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.awaitility.core.ConditionFactory;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** Two databases, each with an application of its own, on one Stripe account: ids begin at 1 in both, and each hears of everybody's objects. */
class TwoInstallationsTest {

    private static final ObjectMapper JSON = new ObjectMapper();
    private static final List<String> ENTITIES = List.of("customers", "products", "invoices");

    private static StripeSimulator stripe;
    private static Installation one;
    private static Installation other;

    /** One of the two. */
    private static final class Installation implements AutoCloseable {

        private final TestServices.Database database = TestServices.database();
        private final HikariDataSource hub = TestServices.pool(database.dataSource());
        private final SandboxKafka kafka = SandboxKafka.startTemporary();
        private final TestApplication application;
        private final UnderWay underWay;
        private final String id;

        Installation(String webhookSecret) throws Exception {
            run("select sync.new_installation()"); // the databases of tests are copies of one
            id = text("select sync.hub()");
            application = TestApplication.builder().postgres(database.jdbcUrl()).kafka(kafka)
                    .with("stripe.api-base", stripe.baseUrl().toString())
                    .with("stripe.webhook-secret", webhookSecret)
                    .with("camel.component.stripe.connect-timeout", "500ms")
                    .with("camel.component.stripe.read-timeout", "1500ms")
                    .with("sync.lease", "5 seconds")
                    .with("postgres.pool-size", "8")
                    .with("retry.interval", "200")
                    .with("reconcile.interval", "100")
                    .with("kafka.consumers", "1")
                    .start();
            underWay = new UnderWay(hub, kafka.bootstrap(), stripe::webhooksIdle);
        }

        String webhook() {
            return application.url("/webhooks/stripe").toString();
        }

        void run(String... statements) throws SQLException {
            try (var connection = hub.getConnection(); var statement = connection.createStatement()) {
                for (var sql : statements) {
                    statement.execute(sql);
                }
            }
        }

        String text(String query) throws SQLException {
            try (var sql = Sql.open(hub)) {
                return sql.text(query);
            }
        }

        List<String> texts(String query) {
            try (var sql = Sql.open(hub)) {
                return sql.texts(query);
            } catch (SQLException e) {
                throw new AssertionError(e);
            }
        }

        String linked(String entity, String record) {
            return eventually().until(() -> texts("select external_id from sync.link where external_id is not null and deleted_at is null and entity = '"
                    + entity + "' and record_id = '" + record + "'"), hasSize(1)).get(0);
        }

        String insert(String name) throws SQLException {
            return text("insert into customers (name, email) values ('" + name + "', 'x@example.com') returning id");
        }

        /** Compares everything, in that mode, and waits until that is done. */
        void reconcile(String mode) {
            for (var entity : ENTITIES) {
                var run = texts("select sync.reconcile('stripe', '" + entity + "', '" + mode + "')").get(0);
                eventually().until(() -> texts("select state from sync.run where id = " + run), List.of("done")::equals);
            }
            underWay.awaitNothing();
        }

        /** What is in the tables, by the id in Stripe. */
        Map<String, String> rows() {
            return byId(texts("""
                    select l.external_id || ' ' || coalesce(c.name, '-') || '|' || coalesce(c.email, '-') || '|' || coalesce(c.phone, '-')
                      from customers c left join sync.link l on l.entity = 'customers' and l.record_id = c.id::text and l.deleted_at is null
                    union all select l.external_id || ' ' || p.name || '|' || coalesce(p.unit_amount::text, '-')
                      from products p left join sync.link l on l.entity = 'products' and l.record_id = p.id::text and l.deleted_at is null
                    union all select l.external_id || ' ' || coalesce(i.memo, '-') || '|' || i.total
                      from invoices i left join sync.link l on l.entity = 'invoices' and l.record_id = i.id::text and l.deleted_at is null"""));
        }

        /** The same of the objects that say they are this installation's. */
        Map<String, String> objects() {
            var all = new ArrayList<String>();
            stripe.dashboard().customers().stream().filter(this::owns).forEach(customer -> all.add(customer.get("id").asText() + " "
                    + customer.path("name").asText("-") + "|" + customer.path("email").asText("-") + "|" + customer.path("phone").asText("-")));
            stripe.dashboard().products().stream().filter(this::owns).filter(product -> product.get("active").asBoolean())
                    .forEach(product -> all.add(product.get("id").asText() + " " + product.path("name").asText() + "|"
                            + (product.path("default_price").isObject() ? product.at("/default_price/unit_amount").asText() : "-")));
            stripe.dashboard().invoices().stream().filter(this::owns).forEach(invoice -> all.add(invoice.get("id").asText() + " "
                    + invoice.path("description").asText("-") + "|" + invoice.get("total").asText()));
            return byId(all);
        }

        boolean owns(JsonNode object) {
            return object.at("/metadata/hub").asText().equals(id);
        }

        private static Map<String, String> byId(List<String> lines) {
            return lines.stream().map(line -> line.split(" ", 2)).collect(Collectors.toMap(line -> line[0], line -> line[1], (a, b) -> a + " AND " + b, TreeMap::new));
        }

        @Override
        public void close() throws Exception {
            try (var last = kafka; application; hub; underWay) {
                // Closed, in the opposite order.
            }
        }
    }

    @BeforeAll
    static void start() throws Exception {
        stripe = StripeSimulator.start(StripeSimulator.Options.inMemory());
        one = new Installation("whsec_sandbox");
        stripe.webhookUrl(one.webhook());
        var endpoint = post("/v1/webhook_endpoints", null, Map.of("url", "http://127.0.0.1:1/", "enabled_events[0]", "*"));
        other = new Installation(endpoint.get("secret").asText());
        post("/v1/webhook_endpoints/" + endpoint.get("id").asText(), null, Map.of("url", other.webhook()));
        for (var installation : List.of(one, other)) {
            installation.run("delete from customers");
            installation.underWay.awaitNothing();
        }
    }

    @AfterAll
    static void stop() throws Exception {
        try (var last = stripe; var then = other; var first = one) {
            // Closed, in the opposite order.
        }
    }

    @AfterEach
    void begin() throws SQLException {
        stripe.faults().clear();
        for (var installation : List.of(one, other)) {
            installation.run("select sync.resume('stripe')");
            installation.underWay.awaitNothing();
        }
    }

    @Test
    void neither_touches_the_others_objects() throws Exception {
        var random = new Random(11);
        stripe.clearApiCalls();
        for (var installation : List.of(one, other)) {
            installation.run("delete from sync.conflict");
        }
        for (int round = 0; round < 4; round++) {
            for (var installation : List.of(one, other)) {
                for (int n = 0; n < 4; n++) {
                    installation.insert("Same in both " + n);
                }
                installation.run("insert into products (name, unit_amount, currency) values ('Lamp " + round + "', 100, 'EUR')",
                        "with i as (insert into invoices (customer_id, currency, memo) select max(id), 'EUR', 'round " + round + "' from customers returning id) "
                                + "insert into invoice_items (invoice_id, description, quantity, unit_amount) select id, 'Work', 2, 500 from i");
            }
            one.underWay.awaitNothing();
            other.underWay.awaitNothing();
            for (int n = 0; n < 25; n++) {
                edit(random);
            }
        }
        one.underWay.awaitNothing();
        other.underWay.awaitNothing();

        assertEquals(one.objects(), one.rows());
        assertEquals(other.objects(), other.rows());
        assertFalse(one.rows().isEmpty() || other.rows().isEmpty());
        for (var installation : List.of(one, other)) {
            assertEquals(List.of(), installation.texts("select to_json(f) from sync.failure f"));
            assertEquals(List.of(), installation.texts("select to_json(c) from sync.conflict c where local is not null")); // nobody edits one field on both sides
        }
        for (var call : stripe.apiCalls().stream().filter(ApiCall::wrote).toList()) {
            writesItsOwn(call);
        }

        stripe.clearApiCalls();
        one.reconcile("heal");
        other.reconcile("heal");
        one.reconcile("heal");
        assertEquals(List.of(), stripe.apiCalls().stream().filter(ApiCall::wrote).map(ApiCall::path).toList());
        assertEquals(one.objects(), one.rows());
        assertEquals(other.objects(), other.rows());
    }

    /** Somebody edits or deletes something, in one of the two tables or in the dashboard. */
    private static void edit(Random random) throws SQLException {
        var installation = random.nextBoolean() ? one : other;
        var what = random.nextInt(10);
        if (what < 4) {
            installation.run("update customers set phone = '+47 " + random.nextInt(1000) + "', updated_at = now() where id = (select id from customers order by md5(id || '"
                    + random.nextInt() + "') limit 1)");
        } else if (what < 5) {
            installation.run("delete from customers where id = (select c.id from customers c where not exists (select from invoices i where i.customer_id = c.id) order by md5(c.id || '"
                    + random.nextInt() + "') limit 1)");
        } else if (what < 6) {
            installation.run("update products set unit_amount = " + (100 + random.nextInt(100)) + " where id = (select min(id) from products)");
        } else if (what < 7) {
            installation.run("update invoice_items set quantity = " + (1 + random.nextInt(9)) + " where id = (select max(id) from invoice_items)");
        } else {
            var customers = stripe.dashboard().customers();
            var customer = customers.get(random.nextInt(customers.size())).get("id").asText();
            stripe.dashboard().updateCustomer(customer, Map.of("name", "Renamed " + random.nextInt(1000)));
        }
    }

    /** A write names one installation in its key, and its object names the same. */
    private static void writesItsOwn(ApiCall call) {
        if (call.idempotencyKey() == null || !call.idempotencyKey().startsWith("bactrian:")) {
            return; // the test's own
        }
        var writer = call.idempotencyKey().split(":")[1];
        assertTrue(List.of(one.id, other.id).contains(writer), call::toString);
        var path = call.path().split("/");
        if (path[2].equals("customers") && path.length > 3) {
            var entity = writer.equals(one.id) ? one : other;
            assertEquals(1, entity.texts("select 1 from sync.link where entity = 'customers' and external_id = '" + path[3] + "' union select 1 from sync.tombstone where external_id = '"
                    + path[3] + "' and record_id is not null").size(), call::toString);
        } else if (call.params().get("metadata") instanceof Map<?, ?> metadata) {
            assertEquals(writer, metadata.get("hub"), call::toString);
        }
    }

    /** The same request of the same record at the same revision, but of two installations: Stripe would answer with the first one's object. */
    @Test
    void the_same_record_in_both_gets_two_objects() throws Exception {
        one.run("insert into customers (id, name) values (70001, 'Twin')");
        var first = one.linked("customers", "70001");
        other.run("insert into customers (id, name) values (70001, 'Twin')");
        assertNotEquals(first, other.linked("customers", "70001"));
        one.underWay.awaitNothing();
        other.underWay.awaitNothing();
        assertEquals("1 1", one.text("select count(*) from customers where name = 'Twin'") + " " + other.text("select count(*) from customers where name = 'Twin'"));
    }

    @Test
    void a_foreign_object_with_the_id_of_a_record_that_waits_is_not_taken_for_it() throws Exception {
        one.run("select sync.pause('stripe', 'out')");
        var bob = one.insert("Bob Own");
        eventually().until(() -> one.texts("select 1 from sync.link where parked_at is not null and record_id = '" + bob + "'"), hasSize(1));
        var carols = new ArrayList<String>();
        for (var metadata : List.of(Map.of("metadata[hub_id]", bob), Map.of("metadata[hub_id]", bob, "metadata[hub]", "another"))) {
            var fields = new TreeMap<>(metadata);
            fields.put("name", "Carol Foreign");
            carols.add(post("/v1/customers", "bactrian:customers:" + bob + ":" + metadata.size() + ":feedface", fields).get("id").asText());
        }
        eventually().until(() -> one.texts("select outcome from sync.event where external_id in ('" + String.join("', '", carols) + "')"), List.of("foreign", "foreign")::equals);
        assertEquals("Bob Own", one.text("select name from customers where id = " + bob));

        one.run("select sync.resume('stripe', 'out')");
        var object = one.linked("customers", bob);
        one.underWay.awaitNothing();
        assertFalse(carols.contains(object));
        assertEquals("Bob Own", one.text("select name from customers where id = " + bob));
        assertEquals("Bob Own", stripe.dashboard().customer(object).get("name").asText());
        assertEquals(List.of(), one.texts("select 1 from customers where name = 'Carol Foreign'"));
        assertEquals(List.of(), one.texts("select field from sync.conflict where record_id = '" + bob + "'"));
        carols.forEach(carol -> assertEquals("Carol Foreign", stripe.dashboard().customer(carol).get("name").asText()));
    }

    @Test
    void a_foreign_object_that_comes_while_its_namesake_is_created_is_no_echo() throws Exception {
        stripe.faults().only("POST", "/v1/customers").next(Fault.RESET_BEFORE_COMMIT, 1).next(Fault.SERVER_ERROR, 3);
        var dora = one.insert("Dora Own");
        eventually().until(() -> one.texts("select 1 from sync.link where in_flight_op = 'create' and record_id = '" + dora + "'"), hasSize(1));
        var foreign = stripe.dashboard().createCustomer(Map.of("name", "Dora Own", "email", "x@example.com", "metadata", Map.of("hub_id", dora, "hub", other.id)));
        eventually().until(() -> one.texts("select outcome from sync.event where external_id = '" + foreign.get("id").asText() + "'"), List.of("foreign")::equals);
        var object = one.linked("customers", dora);
        one.underWay.awaitNothing();
        assertNotEquals(foreign.get("id").asText(), object);
        assertTrue(one.owns(stripe.dashboard().customer(object)));
    }

    @Test
    void a_create_of_unknown_outcome_is_looked_for_among_ones_own() throws Exception {
        one.run("select sync.pause('stripe', 'in')");
        stripe.faults().only("POST", "/v1/customers").next(Fault.HANG_AFTER_COMMIT, 1).next(Fault.WEBHOOK_LOST, 1);
        var eve = one.insert("Eve Own");
        eventually().until(() -> one.texts("select 1 from sync.failure where record_id = '" + eve + "'"), hasSize(1));
        one.run("select sync.pause('stripe', 'out')");
        stripe.faults().clear();
        stripe.dashboard().createCustomer(Map.of("name", "Eve Foreign", "metadata", Map.of("hub_id", eve, "hub", other.id)));
        stripe.dashboard().createCustomer(Map.of("name", "Eve Unsaid", "metadata", Map.of("hub_id", eve)));
        one.run("update sync.link set in_flight_at = now() - interval '24 hours' where in_flight_op = 'create' and record_id = '" + eve + "'",
                "select sync.resume('stripe')");
        var object = stripe.dashboard().customer(one.linked("customers", eve));
        one.underWay.awaitNothing();
        assertEquals("Eve Own", object.get("name").asText());
        assertEquals("Eve Own", one.text("select name from customers where id = " + eve));
        assertEquals(1, stripe.dashboard().customers().stream().filter(customer -> customer.path("name").asText().equals("Eve Own")).count());
    }

    @Test
    void an_invoice_of_another_installations_customer_is_no_row_and_no_failure() throws Exception {
        var foreign = other.linked("customers", other.insert("Frank There"));
        one.underWay.awaitNothing();
        var invoice = stripe.dashboard().createInvoice(Map.of("customer", foreign, "currency", "eur",
                "lines", List.of(Map.of("description", "by hand", "quantity", 1, "unit_amount", 100)))).get("id").asText();
        other.linked("customers", other.text("select record_id from sync.link where external_id = '" + foreign + "'"));
        eventually().until(() -> other.texts("select 1 from sync.link where entity = 'invoices' and external_id = '" + invoice + "'"), hasSize(1));
        eventually().until(() -> one.texts("select distinct outcome from sync.event where external_id = '" + invoice + "'"), List.of("foreign")::equals);
        assertEquals(List.of(), one.texts("select reason from sync.failure"));
        other.run("delete from invoices where id = (select record_id::bigint from sync.link where external_id = '" + invoice + "')");
    }

    @Test
    void an_object_that_names_no_installation_is_told_of_and_linked_by_a_person_only() throws Exception {
        one.run("select sync.pause('stripe', 'out')"); // the row waits, whatever a heal asks for
        var gina = one.insert("Gina");
        var object = stripe.dashboard().createCustomer(Map.of("name", "Gina", "phone", "+44", "metadata", Map.of("hub_id", gina))).get("id").asText();
        eventually().until(() -> one.texts("select outcome from sync.event where external_id = '" + object + "'"), List.of("foreign")::equals);
        one.run("select sync.resume('stripe', 'out')", "select sync.pause('stripe', 'out', 'first contact: a run may go on')");
        var run = one.text("select sync.reconcile('stripe', 'customers', 'link')");
        eventually().until(() -> one.texts("select state from sync.run where id = " + run), List.of("done")::equals);
        assertEquals(List.of("unlinked " + gina),
                one.texts("select kind || ' ' || record_id from sync.difference where run_id = " + run + " and external_id = '" + object + "'"));
        assertEquals(List.of(), one.texts("select 1 from sync.link where external_id = '" + object + "'"));

        one.run("select sync.link('stripe', 'customers', '" + gina + "', '" + object + "')", "select sync.resume('stripe', 'out')");
        eventually().until(() -> one.owns(stripe.dashboard().customer(object)));
        one.underWay.awaitNothing();
        assertEquals("+44", one.text("select phone from customers where id = " + gina));
        assertEquals(1, stripe.dashboard().customers().stream().filter(customer -> customer.path("name").asText().equals("Gina")).count());
        other.underWay.awaitNothing();
        assertEquals(List.of(), other.texts("select 1 from customers where name = 'Gina'"));
    }

    @Test
    void a_reconcile_adds_the_installation_to_what_an_older_version_made() throws Exception {
        var id = one.insert("Hugo");
        var hugo = one.linked("customers", id);
        one.run("insert into products (name, unit_amount, currency) values ('Old desk', 100, 'EUR')");
        var product = one.linked("products", one.text("select max(id) from products"));
        one.run("with i as (insert into invoices (customer_id, currency, memo) values (" + id + ", 'EUR', 'old') returning id) "
                + "insert into invoice_items (invoice_id, description, quantity, unit_amount) select id, 'Work', 2, 500 from i");
        var invoice = one.linked("invoices", one.text("select max(id) from invoices"));
        one.underWay.awaitNothing();
        for (var path : List.of("customers/" + hugo, "products/" + product, "invoices/" + invoice)) {
            post("/v1/" + path, null, Map.of("metadata[hub]", ""));
        }
        one.underWay.awaitNothing();
        assertFalse(one.owns(stripe.dashboard().customer(hugo)));
        one.run("update customers set phone = '+45' where id = " + id); // works meanwhile
        eventually().until(() -> stripe.dashboard().customer(hugo).path("phone").asText().equals("+45"));
        one.underWay.awaitNothing();

        one.reconcile("diff");
        assertFalse(one.owns(stripe.dashboard().customer(hugo)));
        stripe.clearApiCalls();
        one.reconcile("link");
        for (var object : List.of(stripe.dashboard().customer(hugo), stripe.dashboard().product(product), stripe.dashboard().invoice(invoice))) {
            assertTrue(one.owns(object), object::toString);
        }
        assertEquals(3, stripe.apiCalls().stream().filter(ApiCall::wrote).count());
        one.reconcile("heal");
        assertEquals(3, stripe.apiCalls().stream().filter(ApiCall::wrote).count());
        assertEquals(List.of(), one.texts("select field from sync.conflict where record_id = '" + id + "'"));
        assertEquals(List.of(), one.texts("select reason from sync.failure"));
        assertEquals(one.objects(), one.rows());
    }

    /** The database of an older version, upgraded while a create is under way whose outcome nobody knows. */
    @Test
    void a_create_of_before_the_upgrade_is_repeated_as_it_was() throws Exception {
        one.run("select sync.pause('stripe', 'out')");
        var id = one.insert("Ida");
        eventually().until(() -> one.texts("select 1 from sync.link where parked_at is not null and record_id = '" + id + "'"), hasSize(1));
        one.run("update sync.link set in_flight_op = 'create', in_flight = sync.read('customers', record_id), in_flight_at = now(), old_key_to = revision where record_id = '" + id + "'");
        stripe.clearApiCalls();
        one.run("select sync.resume('stripe', 'out')");
        var object = one.linked("customers", id);
        one.underWay.awaitNothing();
        var create = stripe.apiCalls().stream().filter(call -> call.method().equals("POST") && call.path().equals("/v1/customers")).toList();
        assertEquals(1, create.size());
        assertTrue(create.get(0).idempotencyKey().startsWith("bactrian:customers:" + id + ":0:"), create::toString);
        assertEquals(Map.of("hub_id", id), create.get(0).params().get("metadata"));

        // Its next write has a new key; the pointer is complete after a reconcile.
        one.run("update customers set phone = '+46' where id = " + id);
        eventually().until(() -> stripe.apiCalls().stream().anyMatch(call -> call.path().endsWith(object) && call.idempotencyKey() != null
                && call.idempotencyKey().startsWith("bactrian:" + one.id + ":customers:" + id + ":1:")));
        one.reconcile("link");
        assertTrue(one.owns(stripe.dashboard().customer(object)));
    }

    /** The same, when its event comes before the request is repeated. */
    @Test
    void the_echo_of_a_create_of_before_the_upgrade_is_known() throws Exception {
        one.run("select sync.pause('stripe', 'out')");
        var id = one.insert("Jan");
        eventually().until(() -> one.texts("select 1 from sync.link where parked_at is not null and record_id = '" + id + "'"), hasSize(1));
        one.run("update sync.link set in_flight_op = 'create', in_flight = sync.read('customers', record_id), in_flight_at = now(), old_key_to = revision where record_id = '" + id + "'");
        var object = post("/v1/customers", "bactrian:customers:" + id + ":0:abc", Map.of("name", "Jan", "email", "x@example.com", "metadata[hub_id]", id)).get("id").asText();
        assertEquals(object, one.linked("customers", id));
        one.run("select sync.resume('stripe', 'out')");
        one.underWay.awaitNothing();
        assertEquals(1, stripe.dashboard().customers().stream().filter(customer -> customer.path("name").asText().equals("Jan")).count());
    }

    private static JsonNode post(String path, String key, Map<String, String> fields) throws IOException, InterruptedException {
        var form = fields.entrySet().stream().map(field -> URLEncoder.encode(field.getKey(), StandardCharsets.UTF_8) + "="
                + URLEncoder.encode(field.getValue(), StandardCharsets.UTF_8)).collect(Collectors.joining("&"));
        var request = HttpRequest.newBuilder(URI.create(stripe.baseUrl() + path)).header("Content-Type", "application/x-www-form-urlencoded")
                .header("Authorization", "Basic " + Base64.getEncoder().encodeToString("sk_test_sandbox:".getBytes(StandardCharsets.UTF_8)));
        if (key != null) {
            request.header("Idempotency-Key", key);
        }
        var answer = HttpClient.newHttpClient().send(request.POST(HttpRequest.BodyPublishers.ofString(form)).build(), BodyHandlers.ofString());
        assertEquals(200, answer.statusCode(), answer::body);
        return JSON.readTree(answer.body());
    }

    private static ConditionFactory eventually() {
        return await().atMost(Duration.ofMinutes(1)).pollInterval(Duration.ofMillis(20));
    }
}
