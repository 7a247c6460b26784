package io.bactrian.routes;

import static org.awaitility.Awaitility.await;
import static org.hamcrest.Matchers.hasSize;
import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.zaxxer.hikari.HikariDataSource;
import io.bactrian.BillingDifferences;
import io.bactrian.TestApplication;
import io.bactrian.TestServices;
import io.bactrian.UnderWay;
import io.bactrian.sandbox.SandboxKafka;
import io.bactrian.sandbox.stripe.Dashboard;
import io.bactrian.sandbox.stripe.StripeSimulator;
import io.bactrian.sync.Sql;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.function.UnaryOperator;
import org.awaitility.core.ConditionFactory;

/** Bactrian in this JVM between a Postgres, a Kafka and a Stripe of a test class's own, and what its tests say and see there. */
final class StripeScene implements AutoCloseable {

    private final TestServices.Database database = TestServices.database();
    private final HikariDataSource hub = TestServices.pool(database.dataSource());
    private final SandboxKafka kafka = SandboxKafka.startTemporary();
    private final StripeSimulator stripe = StripeSimulator.start(StripeSimulator.Options.inMemory());
    private final TestApplication application;
    private final UnderWay underWay;
    private List<String> leftByOthers = List.of();

    StripeScene() throws Exception {
        this(builder -> builder);
    }

    /** @param settings adds to the application's settings */
    StripeScene(UnaryOperator<TestApplication.Builder> settings) throws Exception {
        application = settings.apply(TestApplication.builder().postgres(database.jdbcUrl()).kafka(kafka)
                .with("stripe.api-base", stripe.baseUrl().toString())
                .with("camel.component.stripe.connect-timeout", "500ms")
                .with("camel.component.stripe.read-timeout", "1500ms")
                .with("sync.lease", "5 seconds")
                .with("retry.interval", "200")
                .with("kafka.consumers", "2"))
                .start();
        restoreWebhooks();
        underWay = new UnderWay(hub, kafka.bootstrap(), stripe::webhooksIdle);
    }

    StripeSimulator stripe() {
        return stripe;
    }

    TestApplication application() {
        return application;
    }

    Dashboard dashboard() {
        return stripe.dashboard();
    }

    static ConditionFactory eventually() {
        return await().atMost(Duration.ofMinutes(1)).pollInterval(Duration.ofMillis(20));
    }

    /** Waits until nothing is under way, whether it succeeded or not. */
    void awaitNothing() {
        underWay.awaitNothing();
    }

    /** Begins a test: what the one before left unequal or failed, on purpose or not, is no concern of it. */
    void begin() throws SQLException {
        stripe.faults().clear();
        underWay.awaitNothing();
        run("delete from sync.failure");
        leftByOthers = BillingDifferences.between(hub, stripe);
    }

    /** Waits until nothing is under way, and checks that both sides are equal, with no failure. */
    void awaitEqual() throws SQLException {
        underWay.awaitNothing();
        var differences = new ArrayList<>(BillingDifferences.between(hub, stripe));
        differences.removeAll(leftByOthers);
        differences.addAll(texts("select to_json(f) from sync.failure f"));
        assertEquals(List.of(), differences);
    }

    /** Waits until a record has an object in Stripe, and returns its id. */
    String linked(String entity, String id) {
        var query = "select external_id from sync.link where external_id is not null and entity = '" + entity + "' and record_id = '" + id + "'";
        return eventually().until(() -> texts(query), hasSize(1)).get(0);
    }

    /** Waits until an object of Stripe's has a record, and returns its id. */
    String record(String entity, JsonNode object) {
        var query = "select record_id from sync.link where entity = '" + entity + "' and external_id = '" + object.get("id").asText() + "'";
        return eventually().until(() -> texts(query), hasSize(1)).get(0);
    }

    /** Waits until a query has that answer. */
    void awaitText(String expected, String query) {
        eventually().until(() -> texts(query), List.of(expected)::equals);
    }

    /** Waits until a record's sync fails for good in that way, and returns the reason. */
    String refusal(String entity, String id) {
        var query = "select reason from sync.failure where entity = '" + entity + "' and record_id = '" + id + "' and direction = 'out' and next_attempt_at is null";
        return eventually().until(() -> texts(query), hasSize(1)).get(0);
    }

    /** Lets Stripe tell of what happens there, as at first. */
    void restoreWebhooks() {
        stripe.webhookUrl(application.url("/webhooks/stripe").toString());
    }

    /** What the application says of its health. */
    String health() throws Exception {
        return new ObjectMapper().readTree(application.manage("/observe/health?exposureLevel=full")).toString().replace("\\\\/", "/"); // Camel escapes it twice
    }

    /** Runs statements as a superuser, whom no policy and no right keeps from anything. */
    void runAsSuperuser(String... statements) throws SQLException {
        try (var connection = TestServices.postgres().superuser(database.name()).getConnection(); var statement = connection.createStatement()) {
            for (var one : statements) {
                statement.execute(one);
            }
        }
    }

    List<String> texts(String query) {
        try (var sql = Sql.open(hub)) {
            return sql.texts(query);
        } catch (SQLException e) {
            throw new AssertionError(e);
        }
    }

    String text(String query) throws SQLException {
        try (var sql = Sql.open(hub)) {
            return sql.text(query);
        }
    }

    /** Somebody's transaction, which ends when it is told to, or is rolled back. */
    Sql transaction() throws SQLException {
        var sql = Sql.open(hub);
        sql.connection().setAutoCommit(false);
        return sql;
    }

    /** Runs statements, all in one transaction. */
    void run(String... statements) throws SQLException {
        try (var connection = hub.getConnection(); var statement = connection.createStatement()) {
            connection.setAutoCommit(false);
            for (var one : statements) {
                statement.execute(one);
            }
            connection.commit();
        }
    }

    @Override
    public void close() throws Exception {
        try (var last = kafka; var then = stripe; application; hub; underWay) {
            // Closed, in the opposite order.
        }
    }
}
