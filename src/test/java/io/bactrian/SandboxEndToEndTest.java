package io.bactrian;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.awaitility.Awaitility.await;
import static org.hamcrest.Matchers.containsString;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.bactrian.sandbox.Ports;
import java.io.IOException;
import java.io.StringReader;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.postgresql.PGConnection;
import org.postgresql.ds.PGSimpleDataSource;

/** Uses what {@code mvn -Psandbox} starts as a newcomer would: with SQL, with HTTP, and in Stripe's dashboard. */
class SandboxEndToEndTest {

    private static final Duration PATIENCE = Duration.ofMinutes(2);
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final HttpClient HTTP = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();

    private static Map<String, Integer> ports;
    private static PGSimpleDataSource hub;
    private static UnderWay underWay;
    private static ChildProcess sandbox;

    @TempDir
    static Path directory;

    @BeforeAll
    static void prepare() throws IOException {
        ChildProcess.copyTo(directory, "application.properties", "sql", "routes");
        ports = Stream.of("HTTP_PORT", "MANAGEMENT_PORT", "SANDBOX_POSTGRES_PORT", "SANDBOX_KAFKA_PORT", "SANDBOX_STRIPE_PORT", "SANDBOX_MAIL_PORT")
                .collect(Collectors.toMap(name -> name, name -> Ports.free()));
        hub = new PGSimpleDataSource();
        hub.setUrl("jdbc:postgresql://127.0.0.1:" + ports.get("SANDBOX_POSTGRES_PORT") + "/bactrian?user=bactrian&password=bactrian");
        underWay = new UnderWay(hub, "127.0.0.1:" + ports.get("SANDBOX_KAFKA_PORT"),
                () -> stripe("GET", "/simulator/state", null).get("webhooks_idle").asBoolean());
    }

    @AfterAll
    static void end() throws IOException {
        underWay.close();
        var postgres = postgres();
        sandbox.close();
        await().atMost(PATIENCE).until(() -> !postgres.map(ProcessHandle::isAlive).orElse(false)); // it writes to the directory until it has ended
    }

    /** Unless it runs. */
    @BeforeEach
    void start() throws IOException {
        if (sandbox == null || !sandbox.isAlive()) {
            var environment = new HashMap<>(ChildProcess.SHORT_LEASES);
            ports.forEach((name, port) -> environment.put(name, port.toString()));
            sandbox = ChildProcess.sandbox(directory, environment);
            await().atMost(PATIENCE).failFast(() -> assertTrue(sandbox.isAlive(), sandbox::errors)).until(sandbox::output, containsString("The sandbox is up."));
        }
    }

    @Test
    void brings_the_sample_customers_to_stripe() {
        awaitStripe("ada@example.com", ada -> ada.get("name").asText().startsWith("Ada"));
        awaitStripe("yuki@example.com", yuki -> yuki.get("name").asText().equals("雪 田中"));
    }

    @Test
    void takes_what_sql_does_to_stripe() throws Exception {
        sql("insert into customers (name, email) values ('Sequel', 'sequel@example.com')");
        awaitStripe("sequel@example.com", customer -> customer.get("name").asText().equals("Sequel"));
        sql("update customers set name = 'Sequel II', phone = '+1 202 555 0155' where email = 'sequel@example.com'");
        awaitStripe("sequel@example.com", customer -> customer.get("name").asText().equals("Sequel II") && customer.get("phone").asText().equals("+1 202 555 0155"));
        sql("delete from customers where email = 'sequel@example.com'");
        awaitNothingInStripe("sequel@example.com");
    }

    @Test
    void takes_what_the_api_does_to_stripe() throws Exception {
        var id = hub("POST", "/api/customers", object("name", "Curl", "email", "curl@example.com")).get("id").asText();
        awaitStripe("curl@example.com", customer -> customer.get("name").asText().equals("Curl"));
        hub("PATCH", "/api/customers/" + id, object("name", "Curl II"));
        awaitStripe("curl@example.com", customer -> customer.get("name").asText().equals("Curl II"));
        hub("DELETE", "/api/customers/" + id, null);
        awaitNothingInStripe("curl@example.com");
    }

    @Test
    void takes_what_the_dashboard_does_to_the_catalogue() throws Exception {
        var id = dashboard("POST", "", object("name", "Dash", "email", "dash@example.com")).get("id").asText();
        awaitRow("dash@example.com", row -> row.get("name").asText().equals("Dash"));
        dashboard("POST", "/" + id, object("name", "Dash II", "description", "edited"));
        awaitRow("dash@example.com", row -> row.get("name").asText().equals("Dash II") && row.get("description").asText().equals("edited"));
        dashboard("DELETE", "/" + id, null);
        await().atMost(PATIENCE).until(() -> rows("dash@example.com"), List::isEmpty);
    }

    @Test
    void edits_in_the_dashboard_what_the_hub_created() throws Exception {
        sql("insert into customers (name, email) values ('Hubert', 'hubert@example.com')");
        var id = awaitStripe("hubert@example.com", customer -> true).get("id").asText();
        dashboard("POST", "/" + id, object("name", "Humphrey"));
        awaitRow("hubert@example.com", row -> row.get("name").asText().equals("Humphrey"));
    }

    @Test
    void clears_a_field_in_both_directions() throws Exception {
        sql("insert into customers (name, email, phone, description, address)"
                + " values ('Clear', 'clear@example.com', '+1 202 555 0199', 'some', '{\"city\": \"Rome\", \"country\": \"IT\"}')");
        var id = awaitStripe("clear@example.com", customer -> customer.at("/address/city").asText().equals("Rome")).get("id").asText();
        sql("update customers set phone = null, address = null where email = 'clear@example.com'");
        awaitStripe("clear@example.com", customer -> customer.get("phone").isNull() && customer.get("address").isNull());
        dashboard("POST", "/" + id, JSON.createObjectNode().putNull("description"));
        awaitRow("clear@example.com", row -> row.get("description").isNull());
    }

    @Test
    void carries_addresses_emoji_and_quotes_in_both_directions() throws Exception {
        sql("insert into customers (name, email, address) values ('Zoë \"🐫\" O''Hump', 'zo@example.com', '{\"line1\": \"1 Dune’s Way\", \"city\": \"Timbuktu\", \"country\": \"ML\"}')");
        var customer = awaitStripe("zo@example.com", any -> true);
        assertEquals("Zoë \"🐫\" O'Hump", customer.get("name").asText());
        assertEquals("1 Dune’s Way", customer.at("/address/line1").asText());
        dashboard("POST", "/" + customer.get("id").asText(), object("name", "🐪 'one' \\ hump"));
        awaitRow("zo@example.com", row -> row.get("name").asText().equals("🐪 'one' \\ hump") && row.at("/address/city").asText().equals("Timbuktu"));
    }

    @Test
    void keeps_two_customers_with_one_email_apart() throws Exception {
        sql("insert into customers (name, email) values ('Castor', 'twins@example.com'), ('Pollux', 'twins@example.com')");
        await().atMost(PATIENCE).until(() -> names(search("twins@example.com")), Set.of("Castor", "Pollux")::equals);
        var castor = search("twins@example.com").stream().filter(customer -> customer.get("name").asText().equals("Castor")).findFirst().orElseThrow();
        dashboard("POST", "/" + castor.get("id").asText(), object("name", "Castor II"));
        await().atMost(PATIENCE).until(() -> names(rows("twins@example.com")), Set.of("Castor II", "Pollux")::equals);
        assertNotEquals(1, search("twins@example.com").stream().map(customer -> customer.at("/metadata/hub_id").asText()).distinct().count());
    }

    @Test
    void writes_ten_edits_of_one_transaction_at_once() throws Exception {
        sql("insert into customers (name, email) values ('Tenfold', 'tenfold@example.com')");
        awaitStripe("tenfold@example.com", customer -> true);
        underWay.awaitNothing();
        stripe("DELETE", "/simulator/calls", null);
        try (var connection = hub.getConnection(); var statement = connection.createStatement()) {
            connection.setAutoCommit(false);
            for (int i = 1; i <= 10; i++) {
                statement.execute("update customers set description = 'edit " + i + "' where email = 'tenfold@example.com'");
            }
            connection.commit();
        }
        awaitStripe("tenfold@example.com", customer -> customer.get("description").asText().equals("edit 10"));
        underWay.awaitNothing();
        int writes = writes().size();
        assertTrue(writes == 1 || writes == 2, writes + " writes");
    }

    @Test
    void carries_copies_and_bulk_updates() throws Exception {
        var lines = IntStream.rangeClosed(1, 200).mapToObj(i -> "Copied " + i + ",bulk" + i + "@example.com\n").collect(Collectors.joining());
        try (var connection = hub.getConnection()) {
            connection.unwrap(PGConnection.class).getCopyAPI().copyIn("copy customers (name, email) from stdin (format csv)", new StringReader(lines));
        }
        sql("update customers set description = 'moved in bulk' where name like 'Copied %'");
        await().atMost(PATIENCE).until(() -> search("moved in bulk"), customers -> customers.size() == 200);
        assertEquals(IntStream.rangeClosed(1, 200).mapToObj(i -> "Copied " + i).collect(Collectors.toSet()), names(search("moved in bulk")));
    }

    @Test
    void writes_no_echo() throws Exception {
        sql("insert into customers (name, email) values ('Narcissus', 'echo@example.com')");
        var id = awaitStripe("echo@example.com", customer -> true).get("id").asText();
        underWay.awaitNothing();
        stripe("DELETE", "/simulator/calls", null);

        dashboard("POST", "/" + id, object("name", "Echo"));
        awaitRow("echo@example.com", row -> row.get("name").asText().equals("Echo"));
        sql("update customers set description = 'by a spring' where email = 'echo@example.com'");
        awaitStripe("echo@example.com", customer -> customer.get("description").asText().equals("by a spring"));

        underWay.awaitNothing();
        await().during(Duration.ofSeconds(5)).atMost(Duration.ofSeconds(15)).until(SandboxEndToEndTest::writes, writes -> writes.size() == 1);
    }

    /** Stripe stores a 500 under the idempotency key, and repeats it for a day. */
    @Test
    void gets_over_a_server_error() throws Exception {
        sql("insert into customers (name, email) values ('Erwin', 'error@example.com')");
        awaitStripe("error@example.com", customer -> true);
        stripe("POST", "/simulator/faults", JSON.createObjectNode().set("server_error", JSON.createObjectNode().put("next", 1)));
        sql("update customers set name = 'Erwin II' where email = 'error@example.com'");
        awaitStripe("error@example.com", customer -> customer.get("name").asText().equals("Erwin II"));
    }

    @Test
    void goes_on_where_it_was_killed() throws Exception {
        var id = dashboard("POST", "", object("name", "Lazarus", "email", "lazarus@example.com")).get("id").asText();
        awaitRow("lazarus@example.com", row -> true);
        sql("update customers set name = 'Lazarus II' where email = 'lazarus@example.com'");
        dashboard("POST", "/" + id, object("description", "edited just before"));
        sandbox.close();
        await().atMost(PATIENCE).until(() -> Ports.isFree(ports.get("SANDBOX_POSTGRES_PORT")));
        start();
        awaitStripe("lazarus@example.com", customer -> customer.get("name").asText().equals("Lazarus II"));
        awaitRow("lazarus@example.com", row -> row.get("description").asText("").equals("edited just before"));
        sql("update customers set phone = '+1 202 555 0133' where email = 'lazarus@example.com'");
        awaitStripe("lazarus@example.com", customer -> customer.get("phone").asText("").equals("+1 202 555 0133"));
        assertEquals(1, search("lazarus@example.com").size());
        assertEquals(1, rows("lazarus@example.com").size());
    }

    @Test
    void ends_when_it_is_told_to_and_leaves_nothing_running() throws Exception {
        var postgres = postgres().orElseThrow();
        sandbox.terminate();
        int exitCode = sandbox.exitCode();
        assertTrue(exitCode == 0 || exitCode == 128 + 15, () -> "exit code " + exitCode + ": " + sandbox.errors());
        assertEquals("", sandbox.errors());
        assertEquals(Optional.empty(), postgres.info().command(), "its Postgres still runs");
    }

    /** The sandbox's Postgres, if it runs. */
    private static Optional<ProcessHandle> postgres() throws IOException {
        var pid = directory.resolve(".sandbox/postgres/data/postmaster.pid");
        return Files.exists(pid) ? ProcessHandle.of(Long.parseLong(Files.readAllLines(pid).get(0))) : Optional.empty();
    }

    // Stripe.

    private static JsonNode awaitStripe(String email, Predicate<JsonNode> as) {
        return await().atMost(PATIENCE).until(() -> search(email), found -> found.size() == 1 && as.test(found.get(0))).get(0);
    }

    private static void awaitNothingInStripe(String email) {
        await().atMost(PATIENCE).until(() -> search(email), List::isEmpty);
    }

    private static List<JsonNode> search(String text) throws IOException, InterruptedException {
        var found = new ArrayList<JsonNode>();
        dashboard("GET", "?limit=1000&q=" + URLEncoder.encode(text, UTF_8), null).get("data").forEach(found::add);
        return found;
    }

    /** The calls that came in since they were forgotten, but for those that only read. */
    private static List<JsonNode> writes() throws IOException, InterruptedException {
        var writes = new ArrayList<JsonNode>();
        stripe("GET", "/simulator/calls?limit=1000", null).forEach(writes::add);
        writes.removeIf(call -> call.get("method").asText().equals("GET"));
        return writes;
    }

    private static JsonNode dashboard(String method, String path, JsonNode body) throws IOException, InterruptedException {
        return stripe(method, "/simulator/dashboard/customers" + path, body);
    }

    private static JsonNode stripe(String method, String path, JsonNode body) throws IOException, InterruptedException {
        return send(method, "http://127.0.0.1:" + ports.get("SANDBOX_STRIPE_PORT") + path, body);
    }

    // The hub.

    private static void awaitRow(String email, Predicate<JsonNode> as) {
        await().atMost(PATIENCE).until(() -> rows(email), found -> found.size() == 1 && as.test(found.get(0)));
    }

    private static List<JsonNode> rows(String email) throws IOException, InterruptedException {
        var found = new ArrayList<JsonNode>();
        hub("GET", "/api/customers?email=" + URLEncoder.encode(email, UTF_8), null).get("data").forEach(found::add);
        return found;
    }

    private static JsonNode hub(String method, String path, JsonNode body) throws IOException, InterruptedException {
        return send(method, "http://127.0.0.1:" + ports.get("HTTP_PORT") + path, body);
    }

    private static void sql(String statement) throws SQLException {
        try (var connection = hub.getConnection(); var prepared = connection.prepareStatement(statement)) {
            prepared.execute();
        }
    }

    // Both.

    private static JsonNode send(String method, String url, JsonNode body) throws IOException, InterruptedException {
        var request = HttpRequest.newBuilder(URI.create(url)).header("Content-Type", "application/json")
                .method(method, body == null ? BodyPublishers.noBody() : BodyPublishers.ofString(body.toString())).build();
        var response = HTTP.send(request, BodyHandlers.ofString());
        assertEquals(2, response.statusCode() / 100, () -> method + " " + url + " " + response.statusCode() + " " + response.body());
        return JSON.readTree(response.body());
    }

    private static ObjectNode object(String... namesAndValues) {
        var object = JSON.createObjectNode();
        for (int i = 0; i < namesAndValues.length; i += 2) {
            object.put(namesAndValues[i], namesAndValues[i + 1]);
        }
        return object;
    }

    private static Set<String> names(List<JsonNode> records) {
        return records.stream().map(record -> record.get("name").asText()).collect(Collectors.toSet());
    }
}
