package io.bactrian.routes;

import static io.bactrian.routes.StripeEvent.recorded;
import static io.bactrian.routes.StripeEvent.signature;
import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.bactrian.TestApplication;
import io.bactrian.TestServices;
import io.bactrian.sandbox.SandboxPostgres;
import io.bactrian.sync.Sql;
import java.math.BigDecimal;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What Stripe is answered, and what its events do, good and bad ones. */
class StripeWebhookRouteTest {

    private static final String OLD_SECRET = "whsec_old";
    private static final String SECRET = "whsec_new";
    private static final int LIMIT = 1024 * 1024;

    private static SandboxPostgres postgres;
    private static TestApplication application;

    @BeforeAll
    static void start() throws Exception {
        postgres = SandboxPostgres.startTemporary();
        application = TestApplication.builder().postgres(postgres.jdbcUrl()).kafka(TestServices.kafka())
                .routes("stripe", "templates/system", "stripe-account", "stripe-account-known", "stripe-webhook", "stripe-customers", "stripe-call", "templates/integration", "reconcile")
                .with("stripe.webhook-secret", SECRET + ", " + OLD_SECRET)
                .with("camel.beans.dataSource.connection-timeout", "1000")
                .start();
    }

    @AfterAll
    static void stop() throws Exception {
        try (var last = postgres; var first = application) {
            // Closed, in the opposite order.
        }
    }

    @Test
    void an_event_is_applied_before_it_is_acknowledged() throws Exception {
        var created = recorded("customer.created");
        assertAnswer(200, "created", post(created));
        assertEquals(Map.of("name", "Ada Lovelace", "email", "ada@example.com", "phone", "+44 20 7946 0000", "description", "First programmer",
                "address", "{\"city\": \"London\", \"line1\": \"12 St James Square\", \"country\": \"GB\", \"postal_code\": \"SW1Y 4JH\"}"), customer(created));

        var updated = recorded("customer.updated");
        assertAnswer(200, "applied", post(updated));
        assertEquals("Ada King", customer(updated).get("name"));
        assertNull(customer(updated).get("email"));
        assertEquals("Ockham", text("select address ->> 'city' from customers where id = " + id(updated)));
        assertEquals("Ockham Park", text("select address ->> 'line2' from customers where id = " + id(updated)));

        var deleted = recorded("customer.deleted");
        var id = id(deleted);
        assertAnswer(200, "deleted", post(deleted));
        assertEquals("0", text("select count(*) from customers where id = " + id));
    }

    @Test
    void a_repeated_event_does_nothing() throws Exception {
        var created = recorded("customer.created").about("cus_repeated");
        assertAnswer(200, "created", post(created));
        assertAnswer(200, "duplicate", post(created));
        assertEquals("1", text("select count(*) from sync.link where external_id = 'cus_repeated'"));
    }

    @ParameterizedTest
    @ValueSource(strings = {"plan.created", "invoice.upcoming"})
    void an_event_of_no_interest_is_acknowledged(String name) throws Exception {
        assertAnswer(200, "ignored", post(recorded(name)));
    }

    @Test
    void a_customer_without_id_is_of_no_interest() throws Exception {
        assertAnswer(200, "ignored", post(recorded("customer.created").without("/data/object", "id")));
        assertAnswer(200, "ignored", post(recorded("customer.created").with("/data/object", "id", null)));
        assertAnswer(200, "ignored", post(recorded("customer.created").with("/data/object", "id", 7)));
    }

    @Test
    void an_event_of_an_old_api_version_is_kept_until_its_object_is_read() throws Exception {
        var old = recorded("customer.created-2016");
        assertTrue(old.json().path("request").isTextual());
        assertAnswer(200, "hint", post(old));
        assertAnswer(200, "duplicate", post(old));
        assertEquals("0", text("select count(*) from customers where email = 'grace@example.com'"));
        assertEquals("0", text("select count(*) from sync.link where external_id = '" + old.objectId() + "'"));
        assertEquals("hint", text("select outcome from sync.event where held is not null and event_id = '" + old.id() + "'"));
    }

    @Test
    void an_event_with_the_least_that_emulators_send_is_applied() throws Exception {
        var bare = recorded("customer.updated-bare");
        assertAnswer(200, "created", post(bare));
        var later = recorded("customer.updated-bare").with("/data/object", "name", "Amalie Emmy Noether").with("", "created", 1700000500)
                .with("", "request", null).with("", "api_version", null);
        assertAnswer(200, "applied", post(later));
        assertEquals("Amalie Emmy Noether", customer(later).get("name"));
        var gone = recorded("customer.updated-bare").with("", "type", "customer.deleted").with("", "created", 1700000600)
                .with("/data", "object", Map.of("id", later.objectId(), "object", "customer", "deleted", true));
        assertAnswer(200, "deleted", post(gone));
    }

    @Test
    void both_secrets_are_valid_while_one_replaces_the_other() throws Exception {
        for (var secrets : List.of(new String[] {SECRET}, new String[] {OLD_SECRET}, new String[] {"whsec_foreign", SECRET})) {
            var body = recorded("plan.created").text();
            assertAnswer(200, "ignored", post(body, signature(body, secrets)));
        }
    }

    @Test
    void an_event_without_a_valid_signature_is_refused() throws Exception {
        var body = recorded("customer.created").about("cus_forged").text();
        var now = Instant.now().getEpochSecond();
        assertAnswer(400, "refused", send(request().POST(BodyPublishers.ofString(body))));
        for (var signature : List.of("", "nonsense", "t=,v1=", signature(body, "whsec_foreign"), signature(body.replace("Ada", "Eve"), SECRET),
                signature(now - 330, body, SECRET), signature(now + 330, body, SECRET), signature(now, body, SECRET).replace("v1=", "v0="))) {
            assertAnswer(400, "refused", post(body, signature));
        }
        assertEquals("0", text("select count(*) from sync.event where external_id = 'cus_forged'"));
    }

    @Test
    void a_signature_in_the_query_is_not_taken_for_the_header() throws Exception {
        var body = recorded("plan.created").text();
        var query = "?Stripe-Signature=" + java.net.URLEncoder.encode(signature(body, SECRET), java.nio.charset.StandardCharsets.UTF_8);
        assertAnswer(400, "refused", send(HttpRequest.newBuilder(application.url("/webhooks/stripe" + query)).POST(BodyPublishers.ofString(body))));
        assertAnswer(200, "ignored", send(HttpRequest.newBuilder(application.url("/webhooks/stripe?shop=1&Stripe-Signature=t%3D1,v1%3D1"))
                .header("stripe-signature", signature(body, SECRET)).POST(BodyPublishers.ofString(body))));
    }

    @ParameterizedTest
    @ValueSource(strings = {"", " ", "hello", "{", "[]", "[{}]", "null", "7", "\"event\"", "{}", "{\"id\": \"evt_1\"}",
        "{\"id\": \"evt_1\", \"type\": \"customer.created\", \"created\": 1, \"data\": {}}",
        "{\"id\": \"evt_1\", \"type\": \"customer.created\", \"created\": 1, \"data\": \"object\"}",
        "{\"id\": \"evt_1\", \"type\": \"customer.created\", \"created\": \"now\", \"data\": {\"object\": {}}}",
        "{\"id\": 1, \"type\": \"customer.created\", \"created\": 1, \"data\": {\"object\": {}}}",
        "{\"id\": \"evt_1\", \"type\": null, \"created\": 1, \"data\": {\"object\": {}}}",
        "{\"id\": \"evt_1\", \"type\": \"customer.created\", \"created\": 1, \"data\": {\"object\": {}}} {}"})
    void what_is_no_event_is_refused(String body) throws Exception {
        assertAnswer(400, "refused", post(body, signature(body, SECRET)));
    }

    @Test
    void a_form_is_refused() throws Exception {
        var body = recorded("plan.created").text();
        for (var type : List.of("application/x-www-form-urlencoded", "multipart/form-data; boundary=x")) {
            assertAnswer(400, "refused", send(HttpRequest.newBuilder(application.url("/webhooks/stripe")).header("Content-Type", type)
                    .header("Stripe-Signature", signature(body, SECRET)).POST(BodyPublishers.ofString(body))));
        }
    }

    @Test
    void an_event_of_more_than_a_mebibyte_is_refused() throws Exception {
        assertAnswer(200, "ignored", post(recorded("plan.created").padded(LIMIT)));
        assertEquals(413, post(recorded("plan.created").padded(LIMIT + 1)).statusCode());
        assertEquals(413, post(recorded("plan.created").padded(5 * LIMIT)).statusCode());
    }

    @ParameterizedTest
    @ValueSource(strings = {"GET", "HEAD", "PUT", "PATCH", "DELETE"})
    void only_post_is_allowed(String method) throws Exception {
        assertEquals(405, send(request().method(method, BodyPublishers.noBody())).statusCode());
    }

    @Test
    void an_event_that_cannot_be_mapped_is_kept_as_a_failure() throws Exception {
        var bad = recorded("customer.created").about("cus_unmapped").with("/data/object", "address", "12 St James Square");
        assertAnswer(200, "failed", post(bad));
        assertAnswer(200, "duplicate", post(bad));
        var failure = failure("cus_unmapped");
        assertEquals("in", failure.get("direction"));
        assertTrue(failure.get("reason").toString().contains("stripe-customers-to-hub"), failure::toString);
        assertEquals(bad.id(), failure.get("request_id"));
        assertFalse(failure.toString().contains("St James"), failure::toString);

        assertAnswer(200, "created", post(recorded("customer.updated").about("cus_unmapped")));
        assertEquals("0", text("select count(*) from sync.failure where record_id = 'cus_unmapped'"));
    }

    @Test
    void an_event_that_violates_a_rule_of_the_table_is_kept_as_a_failure() throws Exception {
        run("alter table customers add constraint nobody_is_called_mallory check (name <> 'Mallory')");
        var bad = recorded("customer.created").about("cus_mallory").with("/data/object", "name", "Mallory");
        assertAnswer(200, "failed", post(bad));
        var failure = failure("cus_mallory");
        assertEquals("23514", failure.get("code"));
        assertTrue(failure.get("reason").toString().contains("nobody_is_called_mallory"), failure::toString);

        assertAnswer(200, "created", post(recorded("customer.updated").about("cus_mallory")));
        var id = id(bad);
        assertAnswer(200, "failed", post(recorded("customer.updated").about("cus_mallory").with("/data/object", "name", "Mallory")
                .with("", "created", 1700000300).with("/data", "previous_attributes", Map.of("name", "Ada King"))));
        assertEquals("23514", failure(id).get("code"));
        assertEquals("Ada King", customer(bad).get("name"));
    }

    @Test
    void metadata_of_others_is_no_pointer_to_a_record() throws Exception {
        for (var pointer : new Object[] {"abc", "99999999999999999999", "", " ", "1 or 1=1", true, null, List.of(1), Map.of("a", 1)}) {
            var created = recorded("customer.created").about(TestServices.name("cus_foreign")).with("/data/object/metadata", "hub_id", pointer);
            assertAnswer(200, "created", post(created));
        }
        for (var metadata : new Object[] {"text", 7, List.of("hub_id"), true}) {
            var created = recorded("customer.created").about(TestServices.name("cus_foreign")).with("/data/object", "metadata", metadata);
            assertAnswer(200, "created", post(created));
        }
    }

    @Test
    void a_pointer_that_names_another_installation_or_none_makes_no_record() throws Exception {
        var id = text("insert into customers (name) values ('Ada Lovelace') returning id");
        for (var hub : new Object[] {null, "", " ", "another", text("select upper(sync.hub()) || 'x'"), 7, true, List.of(text("select sync.hub()")), Map.of("a", 1)}) {
            for (var pointer : new Object[] {id, "-1", 7}) {
                var created = recorded("customer.created").about(TestServices.name("cus_other"))
                        .with("/data/object/metadata", "hub_id", pointer).with("/data/object/metadata", "hub", hub);
                assertAnswer(200, "foreign", post(created));
                assertAnswer(200, "foreign", post(recorded("customer.updated").about(created.objectId())
                        .with("/data/object/metadata", "hub_id", pointer).with("/data/object/metadata", "hub", hub)));
            }
        }
        assertEquals("0", text("select count(*) from sync.link where external_id like 'cus_other%'"));
        assertEquals("54", text("select count(*) from sync.event where external_id like 'cus_other%' and outcome = 'foreign'"));
    }

    @Test
    void a_pointer_finds_its_record_in_any_spelling() throws Exception {
        var id = text("insert into customers (name) values ('Ada Lovelace') returning id");
        post(recorded("customer.created").about("cus_spelled").with("/data/object/metadata", "hub_id", " 0" + id)
                .with("/data/object/metadata", "hub", text("select sync.hub()")));
        assertEquals(id, text("select record_id from sync.link where external_id = 'cus_spelled'"));
    }

    static Stream<StripeEvent> wrongTypes() {
        return Stream.of("id", "object", "api_version", "created", "data", "livemode", "pending_webhooks", "request", "type").flatMap(name ->
                Stream.of(null, 7, true, "text", List.of(), List.of(1), Map.of(), Map.of("a", Map.of("b", List.of())))
                        .map(value -> recorded("customer.updated").about(TestServices.name("cus_wrong")).with("", name, value)));
    }

    static Stream<StripeEvent> wrongTypesWithin() {
        return Stream.of("/data object", "/data previous_attributes", "/request idempotency_key", "/data/object metadata", "/data/object name",
                "/data/object address", "/data/object object", "/data/object deleted", "/data/object/address city", "/data/previous_attributes address")
                .map(place -> place.split(" "))
                .flatMap(place -> Stream.of(null, 7, true, "text", List.of(), List.of(1), Map.of(), Map.of("a", Map.of("b", List.of())))
                        .map(value -> recorded("customer.updated").about(TestServices.name("cus_wrong")).with(place[0], place[1], value)));
    }

    @ParameterizedTest
    @MethodSource({"wrongTypes", "wrongTypesWithin"})
    void a_wrong_type_anywhere_is_no_fault_of_ours(StripeEvent event) throws Exception {
        var answer = post(event);
        assertTrue(answer.statusCode() == 200 || answer.statusCode() == 400, () -> answer.statusCode() + " " + answer.body() + " for " + event.text());
    }

    static Stream<String> hostile() {
        var event = recorded("customer.created").about("cus_hostile");
        return Stream.concat(
                Stream.of("1e400", "1e308", "-1e308", "-1", "1.5", "99999999999999999999999999999999", "0", "1" + "0".repeat(999), "1" + "0".repeat(2000), "NaN", "-0.0")
                        .map(number -> event.text().replace("1700000100", number)),
                Stream.of(
                        event.text().replace("Ada Lovelace", "\\u0000"),
                        event.text().replace("Ada Lovelace", "\\ud800"),
                        event.text().replace("London", "\\u0000"),
                        event.text().replace("\"metadata\" : { }", "\"metadata\" : {\"hub_id\": \"\\u0000\"}"),
                        event.text().replace("\"metadata\" : { }", "\"metadata\" : {\"hub_id\": \"\\udc00\"}"),
                        event.text().replace("\"metadata\" : { }", "\"metadata\" : " + "[".repeat(900) + "]".repeat(900)),
                        event.text().replace("\"metadata\" : { }", "\"metadata\" : " + "[".repeat(100_000) + "]".repeat(100_000)),
                        event.text().replace("\"metadata\" : { }", "\"metadata\" : " + "{\"a\":".repeat(900) + "1" + "}".repeat(900)),
                        event.text().replace("\"Ada Lovelace\"", "[".repeat(900) + "]".repeat(900)),
                        event.text().replace("\"Ada Lovelace\"", "1e100000"),
                        event.text().replace("\"Ada Lovelace\"", "1e999999999"),
                        event.text().replace("cus_hostile", "\\u0000"),
                        event.text().replace("cus_hostile", "\\ud800"),
                        event.text().replace("cus_hostile", "x".repeat(500_000)),
                        event.text().replace(event.id(), "evt_\\u0000"),
                        event.text().replace(event.id(), "e".repeat(500_000)),
                        event.text().replace("customer.created", "\\u0000"),
                        event.text().replace("\"object\" : \"customer\"", "\"object\" : \"customer?block=true&timeout=1\""),
                        event.text().replace("\"object\" : \"customer\"", "\"object\" : \"{{postgres.password}}\""),
                        event.text().replace("\"object\" : \"customer\"", "\"object\" : \"${bean:context?method=stop}\""),
                        event.text().replace("\"object\" : \"customer\"", "\"object\" : \"\\n\""),
                        event.text().replace("\"object\" : \"customer\"", "\"object\" : \"" + "c".repeat(500_000) + "\""),
                        event.text().replace("{", "{\"id\": \"evt_twice\", \"\": 1,")));
    }

    @ParameterizedTest
    @MethodSource("hostile")
    void hostile_input_is_no_fault_of_ours(String body) throws Exception {
        var answer = post(body, signature(body, SECRET));
        assertTrue(answer.statusCode() == 200 || answer.statusCode() == 400, () -> answer.statusCode() + " " + answer.body());
        assertAnswer(200, "ignored", post(recorded("plan.created")));
    }

    @Test
    void of_events_that_come_at_once_each_has_its_own_answer() throws Exception {
        var held = recorded("customer.created").about("cus_held");
        post(held);
        var threads = Executors.newFixedThreadPool(40);
        try (var somebody = sql()) {
            somebody.connection().setAutoCommit(false);
            somebody.run("select from customers where id = " + id(held) + " for update");
            var locked = threads.submit(() -> post(recorded("customer.updated").about("cus_held")));
            var hostile = IntStream.range(0, 5).mapToObj(n -> threads.submit(() -> {
                var body = recorded("customer.created").about("cus_bad" + n).text().replaceFirst("evt_", "evt_\\\\u0000" + n);
                return post(body, signature(body, SECRET));
            })).toList();
            var good = IntStream.range(0, 100).mapToObj(n -> threads.submit(() -> post(recorded("customer.created").about("cus_good" + n)))).toList();
            var unfit = IntStream.range(0, 5).mapToObj(n -> threads.submit(() -> {
                var body = recorded("customer.created").about("cus_unfit" + n).text().replace("Ada Lovelace", "\\u0000");
                return post(body, signature(body, SECRET));
            })).toList();
            for (var answer : good) {
                assertAnswer(200, "created", answer.get());
            }
            for (var answer : hostile) {
                assertAnswer(400, "refused", answer.get());
            }
            for (var answer : unfit) {
                assertAnswer(200, "failed", answer.get());
            }
            assertFalse(locked.isDone(), () -> body(locked));
            somebody.connection().rollback();
            assertAnswer(200, "applied", locked.get());
        } finally {
            threads.shutdown();
        }
        assertEquals("100", text("select count(*) from sync.link where external_id like 'cus\\_good%'"));
        assertEquals("0", text("select count(*) from sync.event where external_id like 'cus\\_bad%'"));
    }

    @Test
    void headers_and_parameters_for_camel_have_no_effect() throws Exception {
        var event = recorded("customer.created").about("cus_headers");
        var request = HttpRequest.newBuilder(application.url("/webhooks/stripe?CamelHttpResponseCode=500&CamelSqlQuery=select+1&entity=nothing&kafka.KEY=1"));
        for (var header : List.of("CamelHttpResponseCode", "CamelSqlQuery", "CamelSqlParameters", "CamelStripeMethod", "camelhttpresponsecode", "CamelToEndpoint",
                "outcome", "status", "kafka.OVERRIDE_TOPIC")) {
            request.header(header, "500");
        }
        var answer = send(request.header("Stripe-Signature", signature(event.text(), SECRET)).POST(BodyPublishers.ofString(event.text())));
        assertAnswer(200, "created", answer);
        assertTrue(answer.headers().map().keySet().stream().allMatch(List.of("content-type", "content-length", "transfer-encoding")::contains), answer.headers()::toString);
        assertEquals("application/json", answer.headers().firstValue("Content-Type").orElseThrow());
    }

    @Test
    void events_are_counted_by_outcome() throws Exception {
        var ignored = counted("ignored");
        var refused = counted("refused");
        post(recorded("plan.created"));
        post(recorded("plan.created"));
        post("{}", "t=1,v1=1");
        assertEquals(ignored + 2, counted("ignored"));
        assertEquals(refused + 1, counted("refused"));
    }

    @Test
    void the_sender_is_asked_to_repeat_while_the_database_is_away() throws Exception {
        var unavailable = counted("unavailable");
        var event = recorded("customer.created").about("cus_patient");
        postgres.stop();
        try {
            assertAnswer(503, "unavailable", post(event));
            assertAnswer(200, "ignored", post(recorded("plan.created")));
        } finally {
            postgres.start();
        }
        assertEquals(unavailable + 1, counted("unavailable"));
        await().atMost(Duration.ofMinutes(1)).until(() -> post(event).statusCode() == 200);
        assertAnswer(200, "duplicate", post(event));
        assertEquals("1", text("select count(*) from sync.link where external_id = 'cus_patient'"));
        assertEquals("created", text("select outcome from sync.event where event_id = '" + event.id() + "'"));
    }

    private static String body(Future<HttpResponse<String>> answer) {
        try {
            return answer.get().body();
        } catch (Exception e) {
            return e.toString();
        }
    }

    private static double counted(String outcome) throws Exception {
        var line = Pattern.compile("bactrian_webhook_events_total\\{[^}]*outcome=\"" + outcome + "\"[^}]*system=\"stripe\"[^}]*} ([0-9.]+)");
        return line.matcher(application.manage("/observe/metrics")).results().mapToDouble(found -> new BigDecimal(found.group(1)).doubleValue()).sum();
    }

    private static void assertAnswer(int status, String outcome, HttpResponse<String> answer) {
        assertEquals(status + " {\"outcome\":\"" + outcome + "\"}", answer.statusCode() + " " + answer.body());
    }

    private static HttpResponse<String> post(StripeEvent event) throws Exception {
        return post(event.text(), signature(event.text(), SECRET));
    }

    private static HttpResponse<String> post(String body, String signature) throws Exception {
        return send(request().header("Stripe-Signature", signature).POST(BodyPublishers.ofString(body)));
    }

    private static HttpRequest.Builder request() {
        return HttpRequest.newBuilder(application.url("/webhooks/stripe")).header("Content-Type", "application/json; charset=utf-8");
    }

    private static HttpResponse<String> send(HttpRequest.Builder request) throws Exception {
        return application.send(request);
    }

    /** The record that is linked to the event's object. */
    private static String id(StripeEvent event) throws SQLException {
        return text("select record_id from sync.link where external_id = '" + event.objectId() + "'");
    }

    /** Its values, without those that are null. */
    private static Map<String, Object> customer(StripeEvent event) throws SQLException {
        try (var sql = sql()) {
            var row = sql.row("select name, email, phone, description, address::text from customers where id = ?", Long.parseLong(id(event)));
            row.values().removeAll(Collections.singleton(null));
            return row;
        }
    }

    private static Map<String, Object> failure(String recordId) throws SQLException {
        try (var sql = sql()) {
            return sql.row("select direction, code, reason, request_id from sync.failure where record_id = ?", recordId);
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
        return new Sql(DriverManager.getConnection(postgres.jdbcUrl(), SandboxPostgres.NAME, SandboxPostgres.NAME));
    }
}
