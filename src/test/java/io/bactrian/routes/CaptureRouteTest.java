package io.bactrian.routes;

import static org.awaitility.Awaitility.await;
import static org.hamcrest.Matchers.allOf;
import static org.hamcrest.Matchers.containsString;
import static org.hamcrest.Matchers.hasSize;
import static org.hamcrest.Matchers.not;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import io.bactrian.ChildProcess;
import io.bactrian.TestApplication;
import io.bactrian.TestServices;
import io.bactrian.sandbox.SandboxKafka;
import io.bactrian.sandbox.SandboxPostgres;
import io.bactrian.sync.Sql;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.apache.camel.ServiceStatus;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.header.Header;
import org.awaitility.core.ConditionFactory;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** From a committed change to Kafka, while servers and instances come and go. The sweep is out of the way: only notifications wake. */
class CaptureRouteTest {

    private static final String NEVER = "3600000";
    private static final String LISTENERS = "select count(*) from pg_stat_activity where application_name = 'bactrian listener'";
    private static final String LISTENING = LISTENERS + " and query ilike 'listen%' and state = 'idle'";

    private static SandboxPostgres postgres;
    private static SandboxKafka kafka;
    private static TestApplication application;
    private static Topic customers;

    @TempDir
    Path directory;

    @BeforeAll
    static void start() throws Exception {
        postgres = SandboxPostgres.startTemporary();
        kafka = SandboxKafka.startTemporary();
        application = TestApplication.builder().postgres(postgres.jdbcUrl()).kafka(kafka).routes("capture", "watch")
                .with("watch.interval", "200")
                .with("watch.stalled-after", "2s")
                .with("capture.sweep-interval", NEVER)
                .with("capture.heartbeat-interval", "1000")
                .with("capture.lease", "2 seconds")
                .with("camel.beans.dataSource.connection-timeout", "1000")
                .start();
        customers = new Topic(kafka, "changes.customers");
    }

    @AfterAll
    static void stop() throws Exception {
        try (var lastPostgres = postgres; var lastKafka = kafka; var lastApplication = application; var lastCustomers = customers) {
            // Closed, in the opposite order.
        }
    }

    @Test
    void a_change_arrives_in_the_topic_of_its_table() throws Exception {
        long id;
        try (var sql = sql()) {
            id = sql.number("insert into customers (name, email) values ('Zoë O''Neill 😀', null) returning id");
            sql.run("update customers set email = 'zoe@example.com' where id = ?", id);
            sql.connection().setAutoCommit(false);
            sql.run("select sync.act_for('stripe', 'customers/' || ?)", id);
            sql.run("delete from customers where id = ?", id);
            sql.connection().commit();
        }
        var changes = eventually().until(() -> customers.of(id), hasSize(3));
        assertEquals(List.of("c", "u", "d"), changes.stream().map(change -> Topic.header(change, "op")).toList());
        assertEquals(List.of("", "", "stripe"), changes.stream().map(change -> Topic.header(change, "origin")).toList());
        assertEquals(List.of("customers"), changes.stream().map(change -> Topic.header(change, "entity")).distinct().toList());
        assertEquals(List.of("changed_at", "entity", "op", "origin"), Stream.of(changes.get(0).headers().toArray()).map(Header::key).toList());
        assertEquals(Topic.json(changes.get(0)).at("/source/ts_ms").asText(), Topic.header(changes.get(0), "changed_at"));

        var update = Topic.json(changes.get(1));
        assertEquals("Zoë O'Neill 😀", update.at("/before/name").asText());
        assertTrue(update.at("/before/email").isNull());
        assertEquals("zoe@example.com", update.at("/after/email").asText());
        assertEquals("u", update.path("op").asText());
        assertEquals("public", update.at("/source/schema").asText());
        assertEquals("customers", update.at("/source/table").asText());
        assertEquals("", update.at("/source/origin").asText());
        assertTrue(update.at("/source/txId").isIntegralNumber());
        assertTrue(update.at("/source/ts_ms").asLong() <= update.path("ts_ms").asLong());
        assertTrue(Topic.json(changes.get(0)).path("before").isNull());
        assertTrue(Topic.json(changes.get(2)).path("after").isNull());
        assertEquals("stripe", Topic.json(changes.get(2)).at("/source/origin").asText());
        awaitEmptyOutbox();
    }

    @Test
    void a_change_is_heard_after_five_restarts_of_postgres() throws Exception {
        for (int i = 0; i < 5; i++) {
            postgres.stop();
            if (i == 4) {
                eventually().until(() -> application.camel().getRouteController().getRouteStatus("capture-listen") == ServiceStatus.Stopped);
            }
            postgres.start();
            long whileDeaf = insert("restart " + i);
            eventually().until(() -> customers.of(whileDeaf), hasSize(1));
            eventually().until(() -> number(LISTENING) == 1);
        }
        awaitEmptyOutbox();
        application.stopRoute("capture-heartbeat");
        try {
            long heard = insert("the sixth");
            eventually().until(() -> customers.of(heard), hasSize(1));
            assertEquals(1, number(LISTENERS));
        } finally {
            application.startRoute("capture-heartbeat");
        }
    }

    @Test
    void a_listener_that_is_cut_off_is_replaced() throws Exception {
        for (int i = 0; i < 3; i++) {
            try (var sql = sql()) {
                eventually().until(() -> number(LISTENING) == 1);
                var old = sql.number("select pid from pg_stat_activity where application_name = 'bactrian listener'");
                sql.run("select pg_terminate_backend(?)", (int) old);
                eventually().until(() -> number(LISTENING + " and pid <> " + old) == 1);
            }
        }
        assertEquals(1, number(LISTENERS));
    }

    @Test
    void a_listener_whose_connection_hangs_is_replaced() throws Exception {
        eventually().until(() -> number(LISTENING) == 1);
        var hanging = number("select pid from pg_stat_activity where application_name = 'bactrian listener'");
        signal("STOP", hanging);
        try {
            long id = insert("nobody hears");
            eventually().until(() -> customers.of(id), hasSize(1));
            eventually().until(() -> number(LISTENING + " and pid <> " + hanging) == 1);
        } finally {
            signal("CONT", hanging);
        }
        eventually().until(() -> number(LISTENERS) == 1);
    }

    @Test
    void changes_wait_in_the_outbox_while_the_broker_is_away() throws Exception {
        kafka.stop();
        long id;
        try {
            id = insert("one");
            try (var sql = sql()) {
                sql.run("update customers set name = 'two' where id = ?", id);
                sql.run("create table while_away (id text primary key)");
                sql.run("select sync.track('while_away')");
                sql.run("insert into while_away values ('x')");
            }
            assertEquals(3, number("select count(*) from sync.outbox"));
        } finally {
            kafka.start();
        }
        eventually().until(() -> customers.of(id).stream().map(change -> Topic.json(change).at("/after/name").asText()).distinct().toList(),
                List.of("one", "two")::equals);
        awaitEmptyOutbox();
        try (var other = new Topic(kafka, "changes.while_away")) {
            eventually().until(() -> other.of("x"), hasSize(1));
        }
    }

    @Test
    void a_table_that_is_tracked_at_run_time_gets_its_topic() throws Exception {
        try (var sql = sql()) {
            sql.run("create table wares (sku text primary key, name text)");
            sql.run("select sync.track('wares')");
            sql.run("insert into wares values ('A/1', 'saddle')");
        }
        awaitEmptyOutbox();
        try (var wares = new Topic(kafka, "changes.wares")) {
            var change = eventually().until(() -> wares.of("A/1"), hasSize(1)).get(0);
            assertEquals("saddle", Topic.json(change).at("/after/name").asText());
        }
        try (var admin = Admin.create(Map.of("bootstrap.servers", kafka.bootstrap()))) {
            assertEquals(6, admin.describeTopics(List.of("changes.wares")).allTopicNames().get().get("changes.wares").partitions().size());
            var topic = new ConfigResource(ConfigResource.Type.TOPIC, "changes.wares");
            assertEquals("16777216", admin.describeConfigs(List.of(topic)).all().get().get(topic).get("max.message.bytes").value());
        }
    }

    /** Kafka takes "." and "_" in the names of topics for the same. */
    @Test
    void a_topic_that_cannot_be_made_keeps_only_its_own_changes_waiting() throws Exception {
        try (var sql = sql(); var admin = Admin.create(Map.of("bootstrap.servers", kafka.bootstrap()))) {
            admin.createTopics(List.of(new NewTopic("changes.way.bills", 1, (short) 1))).all().get();
            sql.run("create table way_bills (id text primary key, weight integer)");
            sql.run("select sync.track('way_bills')");
            sql.run("insert into way_bills values ('x', 1), ('y', 1)");
            sql.run("update way_bills set weight = 2");
            for (int i = 0; i < 3; i++) {
                long flows = insert("goes on " + i);
                eventually().until(() -> customers.of(flows), hasSize(1));
            }
            assertEquals(List.of("way_bills"), sql.texts("select distinct entity from sync.outbox"));
            eventually().until(CaptureRouteTest::health, allOf(containsString("changes of way_bills wait, because the topic changes.way_bills"), containsString("collides"),
                    containsString("\"bactrian-progress\",\"status\":\"DOWN\"")));

            TestApplication.builder().postgres(postgres.jdbcUrl()).kafka(kafka).routes("capture").with("capture.sweep-interval", NEVER).start().close();

            admin.deleteTopics(List.of("changes.way.bills")).all().get();
            awaitEmptyOutbox();
            try (var topic = new Topic(kafka, "changes.way_bills")) {
                var changes = eventually().until(() -> topic.of("x"), hasSize(2));
                assertEquals(List.of("c", "u"), changes.stream().map(change -> Topic.header(change, "op")).toList());
                eventually().until(() -> topic.of("y"), hasSize(2));
            }
            eventually().until(CaptureRouteTest::health, allOf(not(containsString("way_bills")), containsString("\"bactrian-progress\",\"status\":\"UP\"")));
        }
    }

    @Test
    void a_topic_that_was_deleted_is_made_again_and_nothing_else_waits_for_it() throws Exception {
        try (var sql = sql(); var admin = Admin.create(Map.of("bootstrap.servers", kafka.bootstrap()))) {
            sql.run("create table parcels (id text primary key, weight integer)");
            sql.run("select sync.track('parcels')");
            sql.run("insert into parcels values ('x', 1)");
            awaitEmptyOutbox();
            admin.deleteTopics(List.of("changes.parcels")).all().get();
            sql.run("insert into parcels values ('y', 1)");
            sql.run("update parcels set weight = 2 where id = 'y'");
            long flows = insert("goes on");
            eventually().until(() -> customers.of(flows), hasSize(1));
            awaitEmptyOutbox();
            try (var topic = new Topic(kafka, "changes.parcels")) {
                var changes = eventually().until(() -> topic.of("y"), hasSize(2));
                assertEquals(List.of("c", "u"), changes.stream().map(change -> Topic.header(change, "op")).toList());
            }
        }
    }

    @Test
    void a_change_too_large_to_travel_goes_by_its_key() throws Exception {
        long one = insertDescription(1_000_000);
        long twenty = insertDescription(20_000_000);
        long small = insertDescription(10);
        try (var sql = sql()) {
            sql.run("update customers set name = 'Ada' where id = ?", one);
        }
        var whole = eventually().until(() -> customers.of(one), hasSize(2)).get(1);
        assertEquals(1_000_000, Topic.json(whole).at("/before/description").asText().length());
        assertEquals(1_000_000, Topic.json(whole).at("/after/description").asText().length());
        assertTrue(Topic.json(whole).at("/source/truncated").isMissingNode());

        var truncated = Topic.json(eventually().until(() -> customers.of(twenty), hasSize(1)).get(0));
        assertEquals("{\"id\":" + twenty + "}", truncated.path("after").toString());
        assertTrue(truncated.at("/source/truncated").asBoolean());
        eventually().until(() -> customers.of(small), hasSize(1));
        awaitEmptyOutbox();
    }

    @Test
    void another_instance_takes_over_from_one_killed_between_publish_and_acknowledge() throws Exception {
        var routes = List.of("capture-heartbeat", "capture-listen", "capture");
        for (var route : routes) {
            application.stopRoute(route);
        }
        try (var first = startAnother(); var sql = sql(); var blocker = sql()) {
            long drained = insert("drained by the first");
            eventually().until(() -> customers.of(drained), hasSize(1));
            awaitEmptyOutbox();
            for (var route : routes) {
                application.startRoute(route);
            }
            eventually().until(() -> number(LISTENING) == 2);
            assertNotEquals(instance(), sql.text("select instance from sync.drain"));

            sql.run("create function wait_for_test() returns trigger language plpgsql as "
                    + "'begin perform pg_advisory_xact_lock(4711); return null; end'");
            sql.run("create trigger wait_for_test before delete on sync.outbox for each statement execute function wait_for_test()");
            blocker.run("select pg_advisory_lock(4711)");
            long twice = insert("published, not acknowledged");
            eventually().until(() -> customers.of(twice), hasSize(1));
            var waiting = "select pid from pg_stat_activity where wait_event = 'advisory'";
            eventually().until(() -> sql.texts(waiting), hasSize(1));
            first.close();
            assertEquals(1, number("select count(*) from sync.outbox"));
            sql.run("select pg_terminate_backend(pid) from (" + waiting + ") orphan");
            sql.run("drop trigger wait_for_test on sync.outbox");

            var changes = eventually().until(() -> customers.of(twice), hasSize(2));
            assertEquals(after(changes.get(0)), after(changes.get(1)));
            awaitEmptyOutbox();
            assertEquals(instance(), sql.text("select instance from sync.drain"));
        }
    }

    @Test
    void whoever_comes_after_one_that_was_told_to_end_drains_at_once() throws Exception {
        var database = TestServices.database();
        var alone = TestApplication.builder().postgres(database.jdbcUrl()).kafka(kafka).routes("capture").with("capture.lease", "1 hour");
        try (var sql = Sql.open(database.dataSource())) {
            for (int i = 0; i < 2; i++) {
                try (var next = alone.start()) {
                    sql.run("insert into customers (name) values ('one more')");
                    eventually().until(() -> sql.number("select count(*) from sync.outbox") == 0);
                }
            }
        }
    }

    private ChildProcess startAnother() throws Exception {
        Files.createDirectory(directory.resolve("routes"));
        ChildProcess.copyTo(directory, "application.properties", "sql", "routes/capture.camel.yaml", "routes/errors.camel.yaml");
        var another = ChildProcess.application(directory, Map.of(
                "POSTGRES_URL", postgres.jdbcUrl(),
                "POSTGRES_USERNAME", SandboxPostgres.NAME,
                "POSTGRES_PASSWORD", SandboxPostgres.NAME,
                "KAFKA_BROKERS", kafka.bootstrap(),
                "STRIPE_API_KEY", "sk_test",
                "STRIPE_WEBHOOK_SECRET", "whsec_test",
                "HTTP_PORT", "0",
                "MANAGEMENT_PORT", "0",
                "CAPTURE_LEASE", "2 seconds"));
        await().atMost(Duration.ofMinutes(2)).until(another::output, containsString("ready: "));
        return another;
    }

    private static String health() throws Exception {
        return application.manage("/observe/health?exposureLevel=full");
    }

    private static String instance() {
        return application.camel().resolvePropertyPlaceholders("{{instance.id}}");
    }

    private static JsonNode after(ConsumerRecord<String, String> change) {
        return Topic.json(change).path("after");
    }

    private static ConditionFactory eventually() {
        return await().atMost(Duration.ofMinutes(1)).pollInterval(Duration.ofMillis(20)).ignoreExceptionsInstanceOf(SQLException.class);
    }

    private static void awaitEmptyOutbox() {
        eventually().until(() -> number("select count(*) from sync.outbox") == 0);
    }

    private static long insert(String name) throws SQLException {
        try (var sql = sql()) {
            return sql.number("insert into customers (name) values (?) returning id", name);
        }
    }

    /** Text that cannot be compressed much. */
    private static long insertDescription(int length) throws SQLException {
        try (var sql = sql()) {
            return sql.number("insert into customers (description) select left(string_agg(md5(i::text), ''), ?) from generate_series(0, ?) i returning id",
                    length, length / 32);
        }
    }

    private static long number(String query) throws SQLException {
        try (var sql = sql()) {
            return sql.number(query);
        }
    }

    private static Sql sql() throws SQLException {
        return new Sql(DriverManager.getConnection(postgres.jdbcUrl(), SandboxPostgres.NAME, SandboxPostgres.NAME));
    }

    private static void signal(String signal, long process) throws Exception {
        assertEquals(0, new ProcessBuilder("kill", "-" + signal, Long.toString(process)).start().waitFor());
    }
}
