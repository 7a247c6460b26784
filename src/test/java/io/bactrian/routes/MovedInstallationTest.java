package io.bactrian.routes;

import static org.awaitility.Awaitility.await;
import static org.hamcrest.Matchers.hasSize;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.bactrian.TestApplication;
import io.bactrian.TestServices;
import io.bactrian.UnderWay;
import io.bactrian.sandbox.SandboxKafka;
import io.bactrian.sandbox.SandboxPostgres;
import io.bactrian.sandbox.stripe.Access;
import io.bactrian.sandbox.stripe.ApiCall;
import io.bactrian.sandbox.stripe.StripeSimulator;
import io.bactrian.sync.Sql;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import javax.sql.DataSource;
import org.awaitility.core.ConditionFactory;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.postgresql.ds.PGSimpleDataSource;

/** A database that is a copy of another one, and a key of another account: nothing is sent or applied until a person says what has happened. */
class MovedInstallationTest {

    private static SandboxKafka kafka;

    private final TestServices.Database database = TestServices.database();
    private StripeSimulator stripe;
    private String id;
    private String object;

    @BeforeAll
    static void startKafka() throws Exception {
        kafka = SandboxKafka.startTemporary();
    }

    @AfterAll
    static void stopKafka() throws Exception {
        kafka.close();
    }

    /** One customer is linked, and the application has been stopped. */
    @BeforeEach
    void link() throws Exception {
        stripe = StripeSimulator.start(StripeSimulator.Options.inMemory().withAccountId("acct_first"));
        try (var application = start(database.jdbcUrl(), stripe)) {
            id = text(database.dataSource(), "insert into customers (name) values ('Ada') returning id");
            eventually().until(() -> texts(database.dataSource(), "select 1 from sync.link where external_id is not null"), hasSize(1));
            idle(database.dataSource(), stripe);
            object = text(database.dataSource(), "select external_id from sync.link");
        }
        assertEquals("acct_first", text(database.dataSource(), "select account from sync.system where name = 'stripe'"));
    }

    @AfterEach
    void close() throws Exception {
        stripe.close();
    }

    @Test
    void a_copy_of_the_database_sends_and_applies_nothing_until_a_person_says_that_it_has_moved() throws Exception {
        var copy = copy();
        stripe.clearApiCalls();
        try (var application = start(url(copy), stripe)) {
            var hub = dataSource(copy);
            assertTrue(text(hub, "select out_paused_because from sync.system where name = 'stripe'").startsWith("another database: "));
            text(hub, "update customers set name = 'Ada, copied' where id = " + id + " returning 1");
            eventually().until(() -> texts(hub, "select 1 from sync.link where parked_at is not null"), hasSize(1));
            stripe.dashboard().updateCustomer(object, Map.of("phone", "+44"));
            eventually().until(() -> texts(hub, "select outcome from sync.event where type = 'customer.updated'"), List.of("held")::equals);

            var answer = text(hub, "select sync.resume('stripe')");
            assertTrue(answer.contains("select sync.keep_installation()") && answer.contains("select sync.new_installation()"), answer);
            assertEquals("1", text(hub, "select count(*) from sync.system where name = 'stripe' and out_paused_at is not null and in_paused_at is not null"));
            assertTrue(application.manage("/observe/metrics").contains("bactrian_paused"));
            assertEquals(List.of(), writes());
            assertEquals("Ada", stripe.dashboard().customer(object).get("name").asText());

            text(hub, "select sync.keep_installation()");
            eventually().until(() -> stripe.dashboard().customer(object).get("name").asText().equals("Ada, copied"));
            eventually().until(() -> text(hub, "select coalesce(phone, '') from customers where id = " + id), "+44"::equals);
            idle(hub, stripe);
        }
        try (var application = start(url(copy), stripe)) {
            assertEquals("0", text(dataSource(copy), "select count(*) from sync.system where out_paused_at is not null"));
        }
    }

    @Test
    void a_copy_that_becomes_an_installation_of_its_own_leaves_the_others_objects_alone() throws Exception {
        var copy = copy();
        stripe.clearApiCalls();
        try (var application = start(url(copy), stripe)) {
            var hub = dataSource(copy);
            text(hub, "select sync.new_installation()");
            assertNotEquals(text(database.dataSource(), "select sync.hub()"), text(hub, "select sync.hub()"));
            text(hub, "update customers set name = 'Ada in staging' where id = " + id + " returning 1");
            eventually().until(() -> texts(hub, "select 1 from sync.link where external_id is not null"), hasSize(1));
            stripe.dashboard().updateCustomer(object, Map.of("phone", "+44"));
            idle(hub, stripe);
            assertEquals("Ada", stripe.dashboard().customer(object).get("name").asText());
            assertEquals(List.of("Ada in staging"), texts(hub, "select name from customers where phone is null"));

            text(hub, "delete from customers where id = " + id + " returning 1");
            idle(hub, stripe);
            assertEquals(List.of("Ada"), stripe.dashboard().customers().stream().map(customer -> customer.get("name").asText()).toList());
        }
        stripe.webhookUrl(null);
        try (var application = start(database.jdbcUrl(), stripe)) {
            assertEquals(List.of(), texts(database.dataSource(), "select out_paused_because from sync.system where out_paused_at is not null"));
        }
    }

    @Test
    void a_key_of_another_account_pauses_the_system_until_the_right_one_is_back() throws Exception {
        try (var wrong = StripeSimulator.start(StripeSimulator.Options.inMemory().withAccountId("acct_second"))) {
            try (var application = start(database.jdbcUrl(), wrong)) {
                var hub = database.dataSource();
                text(hub, "update customers set name = 'Ada King' where id = " + id + " returning 1");
                text(hub, "insert into customers (name) values ('Bob') returning 1");
                eventually().until(() -> texts(hub, "select 1 from sync.link where parked_at is not null"), hasSize(2));
                wrong.dashboard().createCustomer(Map.of("name", "Somebody else's"));
                eventually().until(() -> texts(hub, "select outcome from sync.event where outcome = 'held'"), hasSize(1));
                var because = text(hub, "select in_paused_because from sync.system where name = 'stripe'");
                assertTrue(because.contains("acct_first") && because.contains("acct_second") && because.contains("sync.accept_account('stripe')"), because);
                assertTrue(text(hub, "select sync.resume('stripe')").contains("stays paused"));
                assertEquals(List.of(), wrong.apiCalls().stream().filter(call -> !call.path().equals("/v1/account")).toList());
                assertEquals("0", text(hub, "select count(*) from customers where name like 'Somebody%'"));
            }
        }
        try (var application = start(database.jdbcUrl(), stripe)) {
            eventually().until(() -> stripe.dashboard().customer(object).get("name").asText().equals("Ada King"));
            eventually().until(() -> stripe.dashboard().customers(), hasSize(2));
            idle(database.dataSource(), stripe);
            assertEquals("0", text(database.dataSource(), "select count(*) from customers where name like 'Somebody%'"));
            assertEquals("0", text(database.dataSource(), "select count(*) from sync.system where out_paused_at is not null or in_paused_at is not null"));
        }
    }

    @Test
    void an_event_that_comes_before_the_account_is_known_waits() throws Exception {
        try (var wrong = StripeSimulator.start(StripeSimulator.Options.inMemory().withAccountId("acct_second"));
                var application = start(database.jdbcUrl(), wrong, "camel.main.routes-exclude-pattern", "file:routes/stripe-account.camel.yaml")) {
            var hub = database.dataSource();
            assertEquals(List.of(), wrong.apiCalls());
            wrong.dashboard().createCustomer(Map.of("name", "Somebody else's"));
            eventually().until(() -> texts(hub, "select outcome from sync.event where external_id <> '" + object + "'"), List.of("held")::equals);
            assertEquals("1", text(hub, "select count(*) from customers"));
        }
    }

    @Test
    void another_account_that_a_person_accepts_begins_with_nothing_linked() throws Exception {
        try (var second = StripeSimulator.start(StripeSimulator.Options.inMemory().withAccountId("acct_second"));
                var application = start(database.jdbcUrl(), second)) {
            var hub = database.dataSource();
            eventually().until(() -> texts(hub, "select 1 from sync.system where other_account = 'acct_second'"), hasSize(1));
            text(hub, "select sync.accept_account('stripe')");
            text(hub, "update customers set name = 'Ada King' where id = " + id + " returning 1");
            eventually().until(() -> second.dashboard().customers(), hasSize(1));
            idle(hub, second);
            assertEquals("Ada", stripe.dashboard().customer(object).get("name").asText());
            assertEquals("1", text(hub, "select count(*) from customers"));
            assertEquals("acct_second", text(hub, "select account from sync.system where name = 'stripe'"));
        }
    }

    @Test
    void a_key_that_may_not_read_its_account_works() throws Exception {
        stripe.access().limit("account", Access.Level.NONE);
        try (var application = start(database.jdbcUrl(), stripe)) {
            text(database.dataSource(), "update customers set name = 'Ada King' where id = " + id + " returning 1");
            eventually().until(() -> stripe.dashboard().customer(object).get("name").asText().equals("Ada King"));
        }
    }

    private List<ApiCall> writes() {
        return stripe.apiCalls().stream().filter(call -> !call.method().equals("GET")).toList();
    }

    private String copy() throws SQLException {
        var name = TestServices.name("copy");
        try (var superuser = Sql.open(TestServices.postgres().superuser("postgres"))) {
            eventually().until(() -> superuser.number("select count(*) from pg_stat_activity where datname = '" + database.name() + "'") == 0);
            superuser.run("create database " + name + " owner " + SandboxPostgres.NAME + " template " + database.name());
        }
        return name;
    }

    private static String url(String name) {
        return TestServices.postgres().jdbcUrl(name);
    }

    private static DataSource dataSource(String name) {
        var dataSource = new PGSimpleDataSource();
        dataSource.setUrl(url(name));
        dataSource.setUser(SandboxPostgres.NAME);
        dataSource.setPassword(SandboxPostgres.NAME);
        return dataSource;
    }

    private static TestApplication start(String jdbcUrl, StripeSimulator stripe, String... setting) throws Exception {
        var builder = TestApplication.builder().postgres(jdbcUrl).kafka(kafka)
                .with("stripe.api-base", stripe.baseUrl().toString())
                .with("postgres.pool-size", "8")
                .with("kafka.consumers", "1")
                .with("retry.interval", "200");
        var application = (setting.length == 2 ? builder.with(setting[0], setting[1]) : builder).start();
        stripe.webhookUrl(application.url("/webhooks/stripe").toString());
        return application;
    }

    private static void idle(DataSource hub, StripeSimulator stripe) {
        try (var underWay = new UnderWay(hub, kafka.bootstrap(), stripe::webhooksIdle)) {
            underWay.awaitNothing();
        }
    }

    private static ConditionFactory eventually() {
        return await().atMost(Duration.ofMinutes(1)).pollInterval(Duration.ofMillis(50));
    }

    private static String text(DataSource hub, String statement) {
        return texts(hub, statement).get(0);
    }

    private static List<String> texts(DataSource hub, String statement) {
        try (var sql = Sql.open(hub)) {
            return sql.texts(statement);
        } catch (SQLException e) {
            throw new AssertionError(e);
        }
    }
}
