package io.bactrian.routes;

import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.JsonNode;
import io.bactrian.BillingDifferences;
import io.bactrian.OldInstallation;
import io.bactrian.TestApplication;
import io.bactrian.TestServices;
import io.bactrian.UnderWay;
import io.bactrian.sandbox.SandboxKafka;
import io.bactrian.sandbox.Temporary;
import io.bactrian.sandbox.stripe.ApiCall;
import io.bactrian.sandbox.stripe.StripeSimulator;
import io.bactrian.sync.Sql;
import java.io.IOException;
import java.nio.file.Path;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** An installation of an older version, killed in the middle of its work, goes on under this one. Kafka is lost. */
class UpgradeTest {

    private final TestServices.Database database = TestServices.emptyDatabase();
    private final Path directory = Temporary.directory("upgrade");
    private SandboxKafka kafka;
    private StripeSimulator stripe;

    UpgradeTest() throws IOException {
    }

    @AfterEach
    void close() throws Exception {
        try (var last = kafka; var then = stripe) {
            // Closed, in the opposite order.
        }
        Temporary.delete(directory);
    }

    /** After a minute the system knows the keys of what was under way, and still tells of it; after two days it does neither. */
    @ParameterizedTest
    @ValueSource(strings = {"PT1M", "P2D"})
    void an_installation_of_75bca1a_goes_on(Duration stopped) throws Exception {
        var old = new OldInstallation(stopped);
        old.restore(database.dataSource());
        old.restore(directory);
        stripe = StripeSimulator.start(StripeSimulator.Options.inMemory().withStateDir(directory)
                .withWebhookUrl(stopped.toHours() < 24 ? "http://127.0.0.1:1" : null)); // without an address what is pending is given up
        try (var application = start(); var underWay = new UnderWay(database.dataSource(), kafka.bootstrap(), stripe::webhooksIdle)) {
            eventually(() -> texts("select 1 from sync.outbox").isEmpty() && texts("select 1 from sync.link where lease_until is not null").isEmpty());
            assertEquals(List.of(), writes(), "it is paused");
            assertEquals("13", text("select count(*) from sync.event where outcome = 'held' and received_at < (select min(installed_on) from sync.migration where version = '10')"));

            run("select sync.resume('stripe')");
            run("alter table customers drop constraint customers_no_fax");
            run("update customers set email = 'ned@example.com' where name = 'Ned'");
            run("update customers set email = 'ida@example.com' where name = 'Ida'");
            run("select sync.dismiss('stripe', 'invoices', '3')");
            underWay.awaitNothing();
            run("select sync.retry(system, entity, record_id) from sync.failure where direction = 'in' and code <> 'reference'");
            underWay.awaitNothing();

            assertEquals(List.of(), texts("select to_json(f) from sync.failure f"));
            assertEquals(List.of(), texts("select to_json(e) from sync.event e where outcome in ('held', 'waiting', 'hint') and held is not null"));
            assertEquals(List.of("done"), texts("select distinct state from sync.run"));
            assertEquals(customersThere(), customersHere());
            assertEquals(List.of(), BillingDifferences.between(database.dataSource(), stripe));
            assertEquals(List.of(), doubles());
        }
    }

    private List<ApiCall> writes() {
        return stripe.apiCalls().stream().filter(call -> !call.method().equals("GET")).toList();
    }

    private List<String> doubles() {
        return stripe.dashboard().customers().stream().map(customer -> customer.at("/metadata/hub_id").asText()).filter(id -> !id.isEmpty())
                .collect(Collectors.groupingBy(id -> id, Collectors.counting())).entrySet().stream().filter(entry -> entry.getValue() > 1).map(Object::toString).toList();
    }

    private TreeSet<String> customersHere() {
        return new TreeSet<>(texts("select concat_ws(' ', l.external_id, name, email, phone, description, address ->> 'line1') from customers c"
                + " left join sync.link l on l.system = 'stripe' and l.entity = 'customers' and l.record_id = c.id::text"));
    }

    private TreeSet<String> customersThere() {
        return stripe.dashboard().customers().stream().map(customer -> List.of("/id", "/name", "/email", "/phone", "/description", "/address/line1").stream()
                .map(customer::at).filter(JsonNode::isTextual).map(JsonNode::asText).collect(Collectors.joining(" "))).collect(Collectors.toCollection(TreeSet::new));
    }

    private TestApplication start() throws Exception {
        kafka = SandboxKafka.startTemporary();
        var application = TestApplication.builder().postgres(database.jdbcUrl()).kafka(kafka)
                .with("stripe.api-base", stripe.baseUrl().toString())
                .with("postgres.pool-size", "8")
                .with("kafka.consumers", "1")
                .with("retry.interval", "200")
                .start();
        stripe.webhookUrl(application.url("/webhooks/stripe").toString());
        return application;
    }

    private static void eventually(Callable<Boolean> condition) {
        await().atMost(Duration.ofMinutes(1)).pollInterval(Duration.ofMillis(50)).until(condition);
    }

    private void run(String statement) throws SQLException {
        try (var connection = database.dataSource().getConnection(); var one = connection.createStatement()) {
            one.execute(statement);
        }
    }

    private String text(String query) {
        return texts(query).get(0);
    }

    private List<String> texts(String query) {
        try (var sql = Sql.open(database.dataSource())) {
            return sql.texts(query);
        } catch (SQLException e) {
            throw new AssertionError(e);
        }
    }
}
