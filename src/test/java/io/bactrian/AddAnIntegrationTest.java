package io.bactrian;

import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.bactrian.sandbox.Ports;
import io.bactrian.sandbox.stripe.Fault;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.regex.Pattern;
import java.util.stream.StreamSupport;
import org.apache.kafka.clients.admin.Admin;
import org.junit.jupiter.api.Test;

/** Does what {@code docs/add-an-integration.md} says, with its snippets, one after the other. */
class AddAnIntegrationTest {

    private static final Duration PATIENCE = Duration.ofMinutes(1);
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final HttpClient HTTP = HttpClient.newHttpClient();

    /** A fenced block, and the file that the line before it names, if any. */
    private record Snippet(String file, String language, String text) {
    }

    private static final Pattern SNIPPET = Pattern.compile("(?:^`([^`\\n]+)`(?:, at its end)?:\\n\\n)?^```(\\w+)\\n(.*?)^```$", Pattern.MULTILINE | Pattern.DOTALL);
    private static final Pattern CURL = Pattern.compile("curl http://127\\.0\\.0\\.1:12111(\\S+) -u (\\S+)((?: -d \\S+)*)\\n");
    private static final String CRM_PORT = "9000";

    private final List<Snippet> files = new ArrayList<>();
    private final List<Snippet> steps = new ArrayList<>();
    private Iterator<Snippet> rest;
    private TwoSides sides;

    @Test
    void whoever_follows_the_page_gets_what_it_promises() throws Exception {
        SNIPPET.matcher(Files.readString(Path.of("docs/add-an-integration.md"))).results()
                .map(match -> new Snippet(match.group(1), match.group(2), match.group(3)))
                .forEach(snippet -> (snippet.file() == null ? steps : files).add(snippet));
        rest = steps.iterator();
        var crmPort = Integer.toString(Ports.free());
        try (var started = new TwoSides()) {
            sides = started;
            sides.with("KAFKA_CONSUMERS", "1").with("CRM_URL", setting("crm.url").replace(CRM_PORT, crmPort));
            sides.stripe().faults().probability(Fault.WEBHOOK_LOST, 1);
            post("/v1/coupons", "name=Older&percent_off=5"); // from before there was anybody to tell
            sides.stripe().faults().clear();

            trackTheTableWhileTheApplicationRuns();
            addTheFiles();
            syncTheTableBothWays();
            tellTheCrm(crmPort);
            assertFalse(rest.hasNext(), "a snippet that nobody tried");
        }
    }

    private void trackTheTableWhileTheApplicationRuns() throws Exception {
        sides.startApplication();
        sides.awaitReady();
        sql();
        execute("insert into coupons (name, percent_off, duration) values ('Early', 1, 'forever')");
        await().atMost(PATIENCE).until(() -> sides.count("sync.outbox") == 0);
        try (var kafka = Admin.create(Map.of("bootstrap.servers", sides.kafka().bootstrap()))) {
            assertTrue(kafka.listTopics().names().get().contains("changes.coupons"));
        }
        sides.kill();
    }

    private void addTheFiles() throws IOException {
        assertEquals(List.of("routes/stripe-coupons.camel.yaml", "routes/crm-new-customers.camel.yaml", "application.properties", "Crm.java"),
                files.stream().map(Snippet::file).toList());
        for (var snippet : files) {
            var file = sides.directory().resolve(snippet.file());
            Files.writeString(file, snippet.text(), Files.exists(file) ? StandardOpenOption.APPEND : StandardOpenOption.CREATE_NEW);
        }
        sides.startApplication();
        sides.awaitReady();
    }

    private void syncTheTableBothWays() throws Exception {
        eventually("forever", () -> coupon("Early").path("duration").asText());

        sql();
        var list = next("sh");
        eventually(12.5, () -> named("Spring", curl(list)).path("percent_off").asDouble());
        assertEquals(value("select id from coupons where name = 'Spring'"), coupon("Spring").at("/metadata/hub_id").asText());

        var autumn = curl(next("sh")).get("id").asText();
        var row = next("sql");
        eventually("Autumn|20.00|once", () -> value(row));

        sql();
        var why = next("sql");
        var reason = next("text").strip();
        eventually(reason, () -> value(why));
        sql();
        eventually("", () -> value(why));
        assertEquals(12.5, coupon("Spring").get("percent_off").asDouble());

        sql();
        eventually("resource_missing", () -> get("/v1/coupons/" + autumn).at("/error/code").asText());

        assertEquals("", value("select name from coupons where name = 'Older'"));
        sql();
        eventually("done", () -> value("select state from sync.run where entity = 'coupons' and mode = 'diff'"));
        assertEquals("only_remote", value("select kind from sync.difference join sync.run r on r.id = run_id where entity = 'coupons' and r.mode = 'diff'"));
        sql();
        eventually("done", () -> value("select state from sync.run where entity = 'coupons' and mode = 'heal'"));
        eventually("5.00", () -> value("select percent_off from coupons where name = 'Older'"));

        sql();
        assertEquals(0, sides.count("pg_trigger where tgrelid = 'coupons'::regclass and tgname like 'sync%'"));
        sql();
        assertEquals(0, sides.count("sync.link where entity = 'coupons'"));
    }

    private void tellTheCrm(String port) throws Exception {
        sql();
        var waits = next("sql");
        await().atMost(PATIENCE).until(() -> value(waits), row -> row.matches("\\d+\\|\\w+\\|.+"));
        sides.replace("Crm.java", CRM_PORT, port);
        var told = sides.directory().resolve("crm.txt");
        var command = next("sh").strip().split(" ");
        command[0] = Path.of(System.getProperty("java.home"), "bin", command[0]).toString();
        var crm = new ProcessBuilder(command).directory(sides.directory().toFile()).redirectErrorStream(true).redirectOutput(told.toFile()).start();
        try {
            eventually("", () -> value(waits));
            try (var requests = JSON.readerFor(JsonNode.class).<JsonNode>readValues(told.toFile())) {
                assertEquals(List.of(JSON.readTree(value("select json_build_object('id', id, 'name', name, 'email', email) from customers where name = 'Grace Hopper'"))),
                        requests.readAll());
            }
        } finally {
            crm.destroyForcibly().waitFor();
        }
    }

    private String setting(String name) {
        return files.stream().filter(snippet -> snippet.file().equals("application.properties"))
                .flatMap(snippet -> snippet.text().lines()).filter(line -> line.startsWith(name + "="))
                .map(line -> line.substring(name.length() + 1)).findFirst().orElseThrow();
    }

    /** The next step of the page, which is to be of that language. */
    private String next(String language) {
        var snippet = rest.next();
        assertEquals(language, snippet.language(), snippet::text);
        return snippet.text();
    }

    /** Runs the next step of the page, which is SQL. */
    private void sql() throws SQLException {
        execute(next("sql"));
    }

    private void execute(String sql) throws SQLException {
        try (var connection = sides.connect(); var statement = connection.createStatement()) {
            statement.execute(sql);
        }
    }

    /** The columns of the only row, or nothing. */
    private String value(String query) throws SQLException {
        try (var connection = sides.connect(); var statement = connection.createStatement(); var rows = statement.executeQuery(query)) {
            if (!rows.next()) {
                return "";
            }
            var values = new ArrayList<String>();
            for (int column = 1; column <= rows.getMetaData().getColumnCount(); column++) {
                values.add(rows.getString(column));
            }
            assertFalse(rows.next(), () -> "more than one row: " + query);
            return String.join("|", values);
        }
    }

    private static <T> void eventually(T expected, Callable<T> actual) {
        await().atMost(PATIENCE).untilAsserted(() -> assertEquals(expected, actual.call()));
    }

    private JsonNode coupon(String name) throws IOException, InterruptedException {
        return named(name, get("/v1/coupons"));
    }

    private static JsonNode named(String name, JsonNode list) {
        var found = StreamSupport.stream(list.get("data").spliterator(), false).filter(coupon -> coupon.path("name").asText().equals(name)).toList();
        assertTrue(found.size() < 2, () -> name + " is there twice");
        return found.isEmpty() ? JSON.createObjectNode() : found.get(0);
    }

    /** Sends what a curl of the page sends, to this test's Stripe. */
    private JsonNode curl(String command) throws IOException, InterruptedException {
        var curl = CURL.matcher(command);
        assertTrue(curl.matches(), command);
        assertEquals("sk_test_sandbox:", curl.group(2));
        var form = curl.group(3).isEmpty() ? null : curl.group(3).substring(" -d ".length()).replace(" -d ", "&");
        return form == null ? get(curl.group(1)) : post(curl.group(1), form);
    }

    private JsonNode get(String path) throws IOException, InterruptedException {
        return stripe(HttpRequest.newBuilder(stripe(path)));
    }

    private JsonNode post(String path, String form) throws IOException, InterruptedException {
        return stripe(HttpRequest.newBuilder(stripe(path)).header("Content-Type", "application/x-www-form-urlencoded").POST(BodyPublishers.ofString(form)));
    }

    private URI stripe(String path) {
        return sides.stripe().baseUrl().resolve(path);
    }

    private static JsonNode stripe(HttpRequest.Builder request) throws IOException, InterruptedException {
        var key = Base64.getEncoder().encodeToString("sk_test_sandbox:".getBytes());
        return JSON.readTree(HTTP.send(request.header("Authorization", "Basic " + key).build(), BodyHandlers.ofString()).body());
    }
}
