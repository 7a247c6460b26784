package io.bactrian;

import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.NullNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.bactrian.sandbox.Ports;
import io.bactrian.sandbox.SandboxPostgres;
import io.bactrian.sandbox.Temporary;
import io.bactrian.sandbox.stripe.ApiCall;
import io.bactrian.sandbox.stripe.Fault;
import io.bactrian.sandbox.stripe.StripeSimulator;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Consumer;
import java.util.logging.LogManager;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.postgresql.ds.PGSimpleDataSource;

/** A Postgres and a Stripe that outlive the application between them, which is a process of its own and may be killed. */
final class TwoSides implements AutoCloseable {

    static final List<String> FIELDS = List.of("name", "email", "phone", "description", "address");
    static final ObjectMapper JSON = new ObjectMapper();

    /** What Stripe calls the objects whose events are taken; those of others are of no interest. */
    private static final Set<String> SYNCED = Set.of("customer", "product", "invoice");
    private static final String OURS = "two sides";
    private static final HttpClient HTTP = HttpClient.newHttpClient();
    private static final Duration PATIENCE = Duration.ofMinutes(5);
    private static final Duration PATIENCE_FOR_BACKLOG = Duration.ofMinutes(10);
    private static final Duration QUIET = Duration.ofSeconds(5);

    private final Path directory = Temporary.directory("two-sides");
    private final SandboxPostgres postgres = SandboxPostgres.startTemporary();
    private final PGSimpleDataSource hub = hub();
    private final BrokerProcess kafka = new BrokerProcess(directory, Ports.free());
    private final int httpPort = Ports.free();
    private final int managementPort = Ports.free();
    private final StripeSimulator stripe = StripeSimulator.start(
            StripeSimulator.Options.inMemory().withWebhookUrl("http://127.0.0.1:" + httpPort + "/webhooks/stripe"));
    private final UnderWay underWay = new UnderWay(hub, kafka.bootstrap(), stripe::webhooksIdle);
    private final Map<String, String> settings = new HashMap<>();
    private ChildProcess application;
    private boolean stalePointers;

    /** Starts the two sides, and Kafka. */
    TwoSides() throws IOException {
        LogManager.getLogManager().reset(); // the driver tells of connections that break, which is what happens here
        ChildProcess.copyTo(directory, "application.properties", "sql", "routes");
        Migrations.run(hub);
    }

    private PGSimpleDataSource hub() {
        var dataSource = new PGSimpleDataSource();
        dataSource.setUrl(postgres.jdbcUrl());
        dataSource.setUser(SandboxPostgres.NAME);
        dataSource.setPassword(SandboxPostgres.NAME);
        dataSource.setApplicationName(OURS);
        return dataSource;
    }

    /** A setting of the application's from its next start on, by its environment name. */
    TwoSides with(String name, String value) {
        settings.put(name, value);
        return this;
    }

    /** Changes a file of the application's before its next start: that text stands there once. */
    TwoSides replace(String file, String old, String replacement) throws IOException {
        var text = Files.readString(directory.resolve(file));
        assertEquals(2, text.split(Pattern.quote(old), -1).length, () -> "how often it stands in " + file);
        Files.writeString(directory.resolve(file), text.replace(old, replacement));
        return this;
    }

    /** Where the application runs: its settings, routes and SQL, which may be added to before its next start. */
    Path directory() {
        return directory;
    }

    /** Leaves the application these files of routes only, without {@code .camel.yaml}; it starts sooner. */
    TwoSides keepRoutes(String... stems) {
        return with("CAMEL_MAIN_ROUTES_INCLUDE_PATTERN", Stream.of(stems).map(stem -> "file:routes/" + stem + ".camel.yaml").collect(Collectors.joining(",")));
    }

    /** Whether Stripe tells of what happens there. */
    void webhooks(boolean on) {
        stripe.webhookUrl(on ? "http://127.0.0.1:" + httpPort + "/webhooks/stripe" : null);
    }

    /** Waits until nothing is under way. */
    void awaitQuiet() {
        underWay.awaitNothing();
    }

    /** Starts the application. */
    void startApplication() throws IOException {
        var environment = new HashMap<>(Map.ofEntries(
                Map.entry("POSTGRES_URL", postgres.jdbcUrl()),
                Map.entry("POSTGRES_USERNAME", SandboxPostgres.NAME),
                Map.entry("POSTGRES_PASSWORD", SandboxPostgres.NAME),
                Map.entry("KAFKA_BROKERS", kafka.bootstrap()),
                Map.entry("KAFKA_CONSUMERS", "2"),
                Map.entry("STRIPE_API_KEY", "sk_test_sandbox"),
                Map.entry("STRIPE_API_BASE", stripe.baseUrl().toString()),
                Map.entry("STRIPE_WEBHOOK_SECRET", "whsec_sandbox"),
                Map.entry("STRIPE_POLL_INTERVAL", "2000"),
                Map.entry("STRIPE_RATE_LIMIT", "1000"),
                Map.entry("SYNC_MAX_DELETES", "100000"),
                Map.entry("HTTP_PORT", Integer.toString(httpPort)),
                Map.entry("MANAGEMENT_PORT", Integer.toString(managementPort))));
        environment.putAll(ChildProcess.SHORT_LEASES);
        environment.putAll(settings);
        application = ChildProcess.application(directory, environment);
    }

    /** From now on webhooks come twice, late and in any order, calls fail, and answers to them get lost. */
    void startFaults(long seed) {
        stripe.faults().seed(seed).webhookDelay(0, 150)
                .probability(Fault.WEBHOOK_DUPLICATED, 0.1)
                .probability(Fault.WEBHOOK_SHUFFLED, 0.2)
                .probability(Fault.RESET_AFTER_COMMIT, 0.01)
                .probability(Fault.HANG_AFTER_COMMIT, 0.01)
                .probability(Fault.LOCK_TIMEOUT, 0.01)
                .probability(Fault.SERVER_ERROR, 0.01);
    }

    ChildProcess application() {
        return application;
    }

    /** Waits until the application does its work. */
    void awaitReady() {
        assertTrue(becomesReady(), application::errors);
    }

    /** Waits until the application does its work, or ends. Says whether it does its work. */
    boolean becomesReady() {
        await().atMost(PATIENCE).ignoreExceptionsInstanceOf(IOException.class)
                .until(() -> !application.isAlive() || ChildProcess.get(managementPort, "/observe/health/ready").statusCode() == 200);
        return application.isAlive();
    }

    /**
     * Starts the application, as whatever supervises it does: again, when a server that it had waited for went away while it started.
     *
     * @return how often it gave up
     */
    int startApplicationUntilReady() throws IOException {
        int givenUp = 0;
        for (startApplication(); !becomesReady(); startApplication()) {
            givenUp++;
        }
        return givenUp;
    }

    /**
     * Waits until the application has begun to read Stripe's events (what happened before, and whose webhook is lost, it does not find) and
     * knows what was there already: nothing is sent before.
     */
    void awaitFirstContact() {
        await().atMost(PATIENCE).until(() -> count("sync.job where position is not null") > 0);
        await().atMost(PATIENCE).until(() -> count("sync.entity e where e.part_of is null"
                + " and not exists (select from sync.run r where r.entity = e.name and r.state = 'done')"
                + " and not exists (select from sync.link l where l.entity = e.name and l.external_id is not null)") == 0
                && count("sync.system where out_paused_at is not null") == 0);
    }

    /** Kills the application, as kill -9 does. */
    void kill() {
        application.close();
    }

    StripeSimulator stripe() {
        return stripe;
    }

    Connection connect() throws SQLException {
        return hub.getConnection();
    }

    /** Whether that is how a statement fails while Postgres crashes, is away or starts. */
    static boolean isAway(SQLException e) {
        return e.getSQLState() != null && (e.getSQLState().startsWith("08") || e.getSQLState().startsWith("57P"));
    }

    /** From now on {@link #connect} is a superuser's: neither policies nor rights keep anything from the people. The application stays who it is. */
    void connectAsSuperuser() {
        hub.setUser("postgres");
    }

    /** From now on an object may point to a row that is gone: it was imported anew. */
    void allowStalePointers() {
        stalePointers = true;
    }

    /** What the application says of its health, as JSON. */
    String health() throws IOException, InterruptedException {
        return ChildProcess.get(managementPort, "/observe/health?exposureLevel=full").body();
    }

    SandboxPostgres postgres() {
        return postgres;
    }

    BrokerProcess kafka() {
        return kafka;
    }

    /** How many rows there are in a table, of those that a condition leaves. */
    long count(String tableAndCondition) throws SQLException {
        return Long.parseLong(column("select count(*) from " + tableAndCondition).get(0));
    }

    /** How many connections the application has to Postgres. */
    long connections() throws SQLException {
        return count("pg_stat_activity where usename = '" + SandboxPostgres.NAME + "' and application_name <> '" + OURS + "'");
    }

    /** The writes of customers that Stripe carried out so far. */
    long writes() {
        return stripe.apiCalls().stream().filter(call -> call.wrote() && call.path().startsWith("/v1/customers")).count();
    }

    /**
     * Waits until all is quiet, and checks that both sides are equal, that nothing which somebody did is lost or undone, that Stripe saw no
     * more writes than rows changed, and that from then on nothing happens for a while.
     *
     * @param editors are done
     */
    void assertEqualAndQuiet(Editors editors) throws Exception {
        awaitEqual();
        assertEquals(List.of(), editors.revenants());
        assertEquals(List.of(), editors.lost());
        long changes = editors.rowChanges() + count("customers where starts_with(name, '" + BillingEditors.BUYER + "')") + count("sync.conflict where winner = 'remote' and reason like 'edited there while we wrote%'");
        assertTrue(writes() <= changes, () -> writes() + " writes for " + changes + " changes");
        assertQuiet();
    }

    /** Ends all faults, waits until nothing is under way, and checks that both sides are equal, with no failure left. */
    void awaitEqual() throws Exception {
        stripe.faults().clear();
        underWay.awaitNothing(PATIENCE_FOR_BACKLOG);
        // What was lost on its way is found by the events poll.
        await().atMost(PATIENCE_FOR_BACKLOG).pollInterval(Duration.ofSeconds(2)).until(this::unseenEvents, List::isEmpty);
        underWay.awaitNothing(PATIENCE_FOR_BACKLOG);
        // What Stripe refuses, somebody takes back.
        await().atMost(PATIENCE).until(() -> column("select to_json(f)::text from sync.failure f"), List::isEmpty);
        underWay.awaitNothing(PATIENCE_FOR_BACKLOG);
        assertEquals(List.of(), differences());
        assertEquals(List.of(), BillingDifferences.between(hub, stripe));
    }

    /** Checks that for five seconds nothing is called but Stripe's list of events. */
    void assertQuiet() {
        stripe.clearApiCalls();
        await().during(QUIET).atMost(QUIET.plusSeconds(5)).until(stripe::apiCalls, calls -> calls.stream().allMatch(call -> call.path().equals("/v1/events")));
    }

    /** The first column of a query, as text. */
    List<String> column(String sql) throws SQLException {
        try (var connection = connect(); var statement = connection.createStatement(); var rows = statement.executeQuery(sql)) {
            var values = new ArrayList<String>();
            while (rows.next()) {
                values.add(rows.getString(1));
            }
            return values;
        }
    }

    /** The rows in Postgres by id. */
    Map<String, ObjectNode> rows() throws SQLException {
        var rows = new HashMap<String, ObjectNode>();
        for (var row : column("select to_jsonb(c) from customers c")) {
            var json = json(row);
            rows.put(json.get("id").asText(), json);
        }
        return rows;
    }

    /** In which way the two sides differ; nothing when they are equal, record by record and field by field. */
    List<String> differences() throws SQLException {
        return differences("stripe", stripe);
    }

    /** The same for Postgres and the account of that system. */
    List<String> differences(String system, StripeSimulator account) throws SQLException {
        var differences = new ArrayList<String>();
        var rows = rows();
        var customers = account.dashboard().customers().stream().collect(Collectors.toMap(customer -> customer.get("id").asText(), customer -> customer));
        var links = new TreeMap<String, String>();
        for (var link : column("select jsonb_build_object('record', record_id, 'object', external_id) from sync.link"
                + " where deleted_at is null and external_id is not null and entity = 'customers' and system = '" + system + "'")) {
            links.put(json(link).get("record").asText(), json(link).get("object").asText());
        }
        compare(differences, "rows without a link", rows.keySet(), "links without a row", links.keySet());
        compare(differences, "customers without a link", customers.keySet(), "links without a customer", links.values());
        customers.values().stream().filter(customer -> !stalePointers && customer.at("/metadata").has("hub_id"))
                .collect(Collectors.groupingBy(customer -> customer.at("/metadata/hub_id").asText()))
                .forEach((hubId, twins) -> {
                    if (twins.size() > 1 || !twins.get(0).get("id").asText().equals(links.get(hubId))) {
                        differences.add("row " + hubId + " is meant by " + twins.stream().map(twin -> twin.get("id").asText()).toList()
                                + ", but linked to " + links.get(hubId));
                    }
                });
        links.forEach((id, externalId) -> {
            if (rows.containsKey(id) && customers.containsKey(externalId)) {
                for (var field : FIELDS) {
                    var here = value(rows.get(id).get(field));
                    var there = value(customers.get(externalId).get(field));
                    if (!here.equals(there)) {
                        differences.add(field + " of row " + id + " is " + here + ", that of " + externalId + " is " + there);
                    }
                }
            }
        });
        return differences;
    }

    /** Takes what somebody did to a field in Stripe. */
    interface FieldEdit {

        void take(String id, String field, JsonNode seen, JsonNode value);
    }

    /**
     * Tells every edit that was made in Stripe's dashboard, as Stripe's own events have it.
     *
     * @param deleted the customers that were deleted there, which is told as edits that leave nothing
     */
    void dashboardEdits(Set<String> deleted, FieldEdit each) throws IOException, InterruptedException {
        stripeEvents(event -> {
            if (!event.at("/data/object/object").asText().equals("customer")) {
                return;
            }
            var data = (ObjectNode) event.get("data");
            var id = data.at("/object/id").asText();
            if (event.get("type").asText().endsWith(".deleted")) {
                if (deleted.contains(id)) {
                    FIELDS.forEach(field -> each.take(id, field, value(data.at("/object/" + field)), NullNode.instance));
                }
            } else if (event.at("/request/idempotency_key").isNull()) {
                dashboardEdit(data, each);
            }
        });
    }

    /** The events of Stripe that never arrived. */
    private List<String> unseenEvents() throws Exception {
        var unseen = new ArrayList<String>();
        var seen = new HashSet<>(column("select event_id from sync.event"));
        stripeEvents(event -> {
            if (SYNCED.contains(event.at("/data/object/object").asText()) && !seen.contains(event.get("id").asText())) {
                unseen.add(event.toString());
            }
        });
        return unseen;
    }

    private void stripeEvents(Consumer<JsonNode> each) throws IOException, InterruptedException {
        var after = "";
        JsonNode page;
        do {
            page = stripeList("/v1/events?limit=100" + after);
            for (var event : page.get("data")) {
                after = "&starting_after=" + event.get("id").asText();
                each.accept(event);
            }
        } while (page.get("has_more").asBoolean());
    }

    /** Writes down what there is to know after a failure: threads, tables, Stripe's events and calls, what the application said. */
    void keepEvidence(Path where) throws Exception {
        stripe.faults().clear();
        Files.createDirectories(where);
        if (application != null && application.isAlive()) {
            application.writeThreads(where.resolve("threads.txt"));
        }
        for (var table : column("select format('%I.%I', schemaname, tablename) from pg_tables where schemaname in ('public', 'sync')")) {
            Files.write(where.resolve(table + ".jsonl"), column("select to_json(t) from " + table + " t"));
        }
        var events = new ArrayList<String>();
        stripeEvents(event -> events.add(event.toString()));
        Files.write(where.resolve("stripe-events.jsonl"), events);
        Files.write(where.resolve("stripe-customers.jsonl"), stripe.dashboard().customers().stream().map(JsonNode::toString).toList());
        Files.write(where.resolve("stripe-invoices.jsonl"), stripe.dashboard().invoices().stream().map(JsonNode::toString).toList());
        Files.write(where.resolve("stripe-products.jsonl"), stripe.dashboard().products().stream().map(JsonNode::toString).toList());
        Files.write(where.resolve("stripe-calls.txt"), stripe.apiCalls().stream().map(ApiCall::toString).toList());
        try (var said = Files.list(directory)) {
            for (var file : said.filter(file -> file.toString().endsWith(".txt")).toList()) {
                Files.copy(file, where.resolve(file.getFileName()), StandardCopyOption.REPLACE_EXISTING);
            }
        }
    }

    private static void dashboardEdit(ObjectNode data, FieldEdit each) {
        var customer = data.get("object");
        for (var field : FIELDS) {
            var previous = data.at("/previous_attributes/" + field);
            if (!data.has("previous_attributes")) {
                each.take(customer.get("id").asText(), field, NullNode.instance, value(customer.get(field)));
            } else if (!previous.isMissingNode()) {
                var seen = previous.isObject() && customer.get(field).isObject()
                        ? ((ObjectNode) customer.get(field).deepCopy()).setAll((ObjectNode) previous) : previous;
                each.take(customer.get("id").asText(), field, value(seen), value(customer.get(field)));
            }
        }
    }

    private JsonNode stripeList(String path) throws IOException, InterruptedException {
        var request = HttpRequest.newBuilder(stripe.baseUrl().resolve(path)).header("Authorization", "Bearer sk_test_sandbox").build();
        return json(HTTP.send(request, HttpResponse.BodyHandlers.ofString()).body());
    }

    private static void compare(List<String> differences, String onlyFirst, Iterable<String> first, String onlySecond, Iterable<String> second) {
        var some = new TreeSet<String>();
        var others = new TreeSet<String>();
        first.forEach(some::add);
        second.forEach(others::add);
        for (var one : some) {
            if (!others.remove(one)) {
                differences.add(onlyFirst + ": " + one);
            }
        }
        others.forEach(other -> differences.add(onlySecond + ": " + other));
    }

    /** A field's value as both sides can spell it: an address has no empty parts. */
    static JsonNode value(JsonNode spelled) {
        if (spelled instanceof ObjectNode address) {
            var parts = address.deepCopy();
            address.properties().stream().filter(part -> part.getValue().isNull()).forEach(part -> parts.remove(part.getKey()));
            return parts.isEmpty() ? NullNode.instance : parts;
        }
        return spelled == null ? NullNode.instance : spelled;
    }

    static ObjectNode json(String text) {
        try {
            return (ObjectNode) JSON.readTree(text);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Override
    public void close() throws IOException {
        if (application != null) {
            application.close();
        }
        underWay.close();
        stripe.close();
        kafka.close();
        postgres.close();
        Temporary.delete(directory);
    }
}
