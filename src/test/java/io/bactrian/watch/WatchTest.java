package io.bactrian.watch;

import static org.awaitility.Awaitility.await;
import static org.hamcrest.Matchers.allOf;
import static org.hamcrest.Matchers.containsString;
import static org.hamcrest.Matchers.not;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.bactrian.TestApplication;
import io.bactrian.sandbox.SandboxKafka;
import io.bactrian.sandbox.SandboxPostgres;
import io.bactrian.sandbox.stripe.StripeSimulator;
import io.bactrian.sync.Sql;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.awaitility.core.ConditionFactory;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** What an operator sees at the management port, while things work and while they do not. */
class WatchTest {

    private static SandboxPostgres postgres;
    private static SandboxKafka kafka;
    private static StripeSimulator stripe;
    private static TestApplication application;

    @BeforeAll
    static void start() throws Exception {
        postgres = SandboxPostgres.startTemporary();
        kafka = SandboxKafka.startTemporary();
        stripe = StripeSimulator.start(StripeSimulator.Options.inMemory());
        application = TestApplication.builder().postgres(postgres.jdbcUrl()).kafka(kafka)
                .with("camel.main.routes-include-pattern", "file:routes/**/*.camel.yaml")
                .with("stripe.api-base", stripe.baseUrl().toString())
                .with("camel.beans.dataSource.connection-timeout", "1000")
                .with("kafka.consumers", "1")
                .with("watch.interval", "100")
                .with("watch.stalled-after", "2s")
                .start();
        stripe.webhookUrl(application.url("/webhooks/stripe").toString());
    }

    @AfterAll
    static void stop() throws Exception {
        try (var lastPostgres = postgres; var lastKafka = kafka; var lastStripe = stripe; var lastApplication = application) {
            // Closed, in the opposite order.
        }
    }

    @AfterEach
    void everything_is_well_in_the_end() {
        eventually().until(() -> health("").path("status").asText(), "UP"::equals);
    }

    @Test
    void readiness_follows_postgres_and_liveness_does_not() throws Exception {
        eventually().until(() -> health("/ready").path("status").asText(), "UP"::equals);
        postgres.stop();
        try {
            var down = eventually().until(() -> health("/ready"), ready -> ready.toString().contains("\"bactrian-postgres\",\"status\":\"DOWN\""));
            assertTrue(down.toString().contains("Postgres (postgres.url) does not answer: "), down::toString);
            assertEquals("UP", health("/live").path("status").asText());
        } finally {
            postgres.start();
        }
        eventually().until(() -> health("/ready").path("status").asText(), "UP"::equals);
    }

    @Test
    void a_change_that_nobody_takes_to_kafka_is_a_standstill() throws Exception {
        application.stopRoute("capture");
        try {
            insert("Ada");
            var message = awaitStandstill();
            assertTrue(message.contains("changes of customers wait in sync.outbox, and nothing moved for"), message);
            eventually().until(() -> value("bactrian_outbox_depth"), depth -> depth > 0);
            eventually().until(() -> value("bactrian_outbox_age"), age -> age > 0);
            eventually().until(() -> value("bactrian_waiting{class=\"changes\",entity=\"customers\",system=\"\"}"), seconds -> seconds >= 2);
        } finally {
            application.startRoute("capture");
        }
        eventually().until(() -> value("bactrian_outbox_depth"), depth -> depth == 0);
    }

    @Test
    void a_consumer_that_does_not_move_on_is_a_standstill() throws Exception {
        var lag = "bactrian_consumer_lag{group=\"bactrian.stripe.customers\",topic=\"changes.customers\"}";
        application.stopRoute("stripe-customers");
        try {
            insert("Grace");
            var message = awaitStandstill();
            assertTrue(message.contains("messages wait for stripe customers at changes.customers "), message);
            assertTrue(value(lag) > 0);
        } finally {
            application.startRoute("stripe-customers");
        }
        eventually().until(() -> value(lag), messages -> messages == 0);
    }

    @Test
    void a_pause_is_told_and_is_no_standstill() throws Exception {
        run("select sync.pause('stripe', 'out', 'the price list is being checked')");
        try {
            insert("Emmy");
            eventually().until(() -> value("bactrian_parked{entity=\"customers\",system=\"stripe\"}"), records -> records == 1);
            assertEquals(1, value("bactrian_paused{direction=\"out\",system=\"stripe\"}"));
            application.stopRoute("capture");
            insert("Amalie");
            assertTrue(awaitStandstill().contains("sync.outbox"));
            application.startRoute("capture");
            var message = eventually().until(() -> progress(), progress -> progress.path("status").asText().equals("UP")).path("message").asText();
            assertTrue(message.matches("stripe has been paused \\(out\\) since .*: the price list is being checked"), message);
        } finally {
            application.startRoute("capture");
            run("select sync.resume('stripe')");
        }
        eventually().until(() -> metrics(), not(containsString("bactrian_paused{")));
        eventually().until(() -> metrics(), not(containsString("bactrian_parked{")));
    }

    @Test
    void a_record_that_waits_though_its_system_answers_is_a_standstill() throws Exception {
        application.stopRoute("upkeep");
        try {
            run("insert into sync.link (system, entity, record_id, parked_at) values ('elsewhere', 'orders', '7', now() - interval '1 day')");
            assertTrue(awaitStandstill().contains("records of elsewhere orders wait for their system, which is neither paused nor down"));
            run("select sync.open_circuit('elsewhere', 'no answer')");
            var message = eventually().until(() -> progress(), progress -> progress.path("status").asText().equals("UP")).path("message").asText();
            assertTrue(message.matches("elsewhere has not answered since .*: no answer"), message);
            eventually().until(() -> metrics(), containsString("bactrian_circuit_open{system=\"elsewhere\"} 1"));
        } finally {
            run("delete from sync.link where system = 'elsewhere'");
            run("delete from sync.system where name = 'elsewhere'");
            application.startRoute("upkeep");
        }
    }

    @Test
    void a_broker_that_is_away_is_a_standstill_in_the_end() throws Exception {
        kafka.stop();
        try {
            // In the moment of its end some topics may have been read.
            eventually().until(() -> progress().path("message").asText(), containsString("Kafka (kafka.brokers) does not answer: "));
            assertEquals("UP", health("/live").path("status").asText());
            assertEquals("UP", health("/ready").path("status").asText(), health("/ready")::toString);
        } finally {
            kafka.start();
        }
    }

    @Test
    void a_topic_that_is_missing_is_told_and_hides_no_other() throws Exception {
        var lag = "bactrian_consumer_lag{group=\"bactrian.stripe.customers\",topic=\"changes.customers\"}";
        application.stopRoute("stripe-products");
        try (var admin = Admin.create(Map.of("bootstrap.servers", kafka.bootstrap()))) {
            admin.deleteTopics(List.of("changes.products")).all().get();
            try {
                var message = eventually().until(() -> progress().path("message").asText(), containsString("changes.products"));
                assertTrue(message.contains("the topic changes.products, which bactrian.stripe.products reads, is not there"), message);
                application.stopRoute("stripe-customers");
                insert("Maria");
                eventually().until(() -> value(lag), messages -> messages == 1);
                application.startRoute("stripe-customers");
                eventually().until(() -> value(lag), messages -> messages == 0);
                eventually().until(() -> progress().path("status").asText(), "UP"::equals);
            } finally {
                admin.createTopics(List.of(new NewTopic("changes.products", 6, (short) 1))).all().get();
                application.startRoute("stripe-products");
                application.startRoute("stripe-customers");
            }
        }
        eventually().until(() -> progress().path("message").asText(), not(containsString("changes.products")));
        assertTrue(metrics().contains("topic=\"changes.products\""));
    }

    @Test
    void calls_waits_and_latencies_are_measured() throws Exception {
        insert("Lise");
        eventually().until(() -> metrics(), allOf(
                containsString("bactrian_call_seconds_bucket{entity=\"customers\",outcome=\"ok\",system=\"stripe\",le=\"0.25\"}"),
                containsString("bactrian_permit_wait_seconds_count{system=\"stripe\"}"),
                containsString("bactrian_change_latency_seconds_bucket{entity=\"customers\",system=\"stripe\",le=\"1.0\"}"),
                containsString("bactrian_event_latency_seconds_count{entity=\"customers\",outcome=\"echo\",system=\"stripe\"}"),
                containsString("bactrian_instances 1"),
                containsString("bactrian_transaction_oldest ")));
        assertFalse(metrics().matches("(?s).*camel_(exchange_event|route_policy).*"), "a timer of a step inside the process, or of a route");
    }

    /** The reason why progress is DOWN. */
    private static String awaitStandstill() {
        return eventually().until(() -> progress(), progress -> progress.path("status").asText().equals("DOWN")).path("message").asText();
    }

    private static JsonNode progress() throws Exception {
        for (var check : health("?exposureLevel=full").path("checks")) {
            if (check.path("name").asText().equals("bactrian-progress")) {
                return check;
            }
        }
        throw new AssertionError("there is no check bactrian-progress");
    }

    private static JsonNode health(String path) throws Exception {
        return new ObjectMapper().readTree(application.manage("/observe/health" + path));
    }

    private static double value(String metric) throws Exception {
        return Pattern.compile("^" + Pattern.quote(metric) + " (\\S+)$", Pattern.MULTILINE).matcher(metrics()).results()
                .mapToDouble(found -> Double.parseDouble(found.group(1))).findFirst().orElse(Double.NaN);
    }

    private static String metrics() throws Exception {
        return application.manage("/observe/metrics");
    }

    private static ConditionFactory eventually() {
        return await().atMost(Duration.ofMinutes(1)).pollInterval(Duration.ofMillis(50));
    }

    private static void insert(String name) throws SQLException {
        run("insert into customers (name) values ('" + name + "')");
    }

    private static void run(String statement) throws SQLException {
        try (var sql = new Sql(DriverManager.getConnection(postgres.jdbcUrl(), SandboxPostgres.NAME, SandboxPostgres.NAME))) {
            sql.run(statement);
        }
    }
}
