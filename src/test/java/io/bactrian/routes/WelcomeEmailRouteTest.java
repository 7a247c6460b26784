package io.bactrian.routes;

import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.icegreen.greenmail.util.GreenMail;
import com.icegreen.greenmail.util.ServerSetup;
import io.bactrian.TestApplication;
import io.bactrian.TestServices;
import io.bactrian.sandbox.Ports;
import io.bactrian.sandbox.SandboxKafka;
import io.bactrian.sandbox.mail.Mail;
import io.bactrian.sandbox.mail.MailCatcher;
import io.bactrian.store.Events;
import io.bactrian.sync.Sql;
import jakarta.mail.internet.MimeMessage;
import jakarta.mail.internet.MimeMultipart;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringSerializer;
import org.awaitility.core.ConditionFactory;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

class WelcomeEmailRouteTest {

    private static final String[] ROUTES = {"capture", "upkeep", "templates/announce", "welcome-email", "welcome-email-sendgrid",
            "welcome-email-smtp"};

    private static TestServices.Database database;
    private static SandboxKafka kafka;
    private static MailCatcher catcher;
    private static TestApplication application;

    @BeforeAll
    static void start() throws Exception {
        database = TestServices.database();
        kafka = SandboxKafka.startTemporary();
        catcher = MailCatcher.start(0, "SG.test");
        application = application(database).with("welcome-email.provider", "sendgrid")
                .with("sendgrid.api-base", catcher.baseUrl().toString())
                .with("sendgrid.api-key", "SG.test")
                .with("welcome-email.from-name", "Zoë's shop 🐫")
                .with("welcome-email.reply-to", "help@example.com")
                .with("camel.beans.permits.rates[welcome-email]", "20")
                .start();
    }

    private static TestApplication.Builder application(TestServices.Database database) {
        return TestApplication.builder().postgres(database.jdbcUrl()).kafka(kafka).routes(ROUTES)
                .with("kafka.consumers", "2").with("retry.interval", "100").with("welcome-email.from", "shop@example.com");
    }

    @AfterAll
    static void stop() throws Exception {
        try (var lastKafka = kafka; var then = catcher; var first = application) {
            // Closed, in the opposite order.
        }
    }

    @Test
    void a_new_customer_gets_one_message_with_text_and_html() throws Exception {
        var id = insert("'<script>alert(1)</script> O''Neill & Söhne 🐫'", "'neill@example.com'");
        var mail = awaitMail("neill@example.com");
        assertEquals("Zoë's shop 🐫 <shop@example.com>", mail.from());
        assertEquals("help@example.com", mail.replyTo());
        assertEquals("Welcome, <script>alert(1)</script> O'Neill & Söhne 🐫", mail.subject());
        assertTrue(mail.text().startsWith("Hello <script>alert(1)</script> O'Neill & Söhne 🐫,\n"), mail::text);
        assertTrue(mail.html().contains("Hello &lt;script&gt;alert(1)&lt;/script&gt; O&#39;Neill &amp; Söhne 🐫,"), mail::html);
        assertFalse(mail.html().contains("<script"), mail::html);

        eventually().until(() -> settled(id));
        run("update customers set name = 'Neill' where id = " + id);
        run("select sync.poke('customers', '" + id + "', 'welcome-email')");
        var last = insert("'Last'", "'after-neill@example.com'");
        eventually().until(() -> settled(last));
        awaitMail("after-neill@example.com");
        assertEquals(1, mails("neill@example.com").size());
        assertEquals(mail.id(), text("select details ->> 'request_id' from sync.activity where system = 'welcome-email' and record_id = '" + id + "'"));
    }

    @Test
    void a_name_with_line_breaks_stays_on_its_line() throws Exception {
        insert("'Eve' || chr(13) || chr(10) || 'Bcc: all@example.com'", "'eve@example.com'");
        var mail = awaitMail("eve@example.com");
        assertEquals("Welcome, Eve Bcc: all@example.com", mail.subject());
        insert("''", "'nobody@example.com'");
        assertEquals("Welcome, there", awaitMail("nobody@example.com").subject());
    }

    @Test
    void nobody_gets_one_who_was_imported_or_has_no_address_or_is_no_new_customer() throws Exception {
        try (var sql = Sql.open(database.dataSource())) {
            sql.connection().setAutoCommit(false);
            sql.run("set local sync.importing = on");
            sql.run("insert into customers (name, email) select 'Imported', 'imported@example.com' from generate_series(1, 20)");
            sql.connection().commit();
        }
        insert("'No address'", "null");
        var object = "{\"id\": \"e%s\", \"type\": \"%s\", \"at\": 2000000000, \"made\": %s, \"external_id\": \"cus_%s\"}";
        try (var sql = Sql.open(database.dataSource())) {
            Events.apply(sql, "customers", object.formatted(1, "customer.updated", "1500000000", 1), "{\"email\": \"long-known@example.com\"}", null, null, "{email}", "newest");
            Events.apply(sql, "customers", object.formatted(2, "reconcile", "null", 2), "{\"email\": \"found@example.com\"}", null, null, "{email}", "newest");
            Events.apply(sql, "customers", object.formatted(3, "customer.created", "2000000000", 3), "{\"email\": \"made-there@example.com\"}", null, null, "{email}", "newest");
        }
        try (var producer = new KafkaProducer<>(Map.of("bootstrap.servers", kafka.bootstrap()), new StringSerializer(), new StringSerializer())) {
            var old = new ProducerRecord<>("changes.customers", insert("'Old'", "null"),
                    "{\"after\": {\"email\": \"old@example.com\"}, \"source\": {\"ts_ms\": " + (System.currentTimeMillis() - 25 * 3_600_000L) + "}}");
            old.headers().add("op", "c".getBytes()).add("origin", "".getBytes());
            producer.send(old).get();
        }
        awaitMail("made-there@example.com");
        for (int i = 0; i < 12; i++) {
            insert("'Last'", "'last" + i + "@example.com'");
        }
        for (int i = 0; i < 12; i++) {
            awaitMail("last" + i + "@example.com");
        }
        for (var address : List.of("imported@example.com", "long-known@example.com", "found@example.com", "old@example.com")) {
            assertEquals(List.of(), mails(address), address);
        }
        assertEquals("0", text("select count(*) from sync.failure where system = 'welcome-email' and record_id in (select id::text from customers where email is null)"));
        assertEquals("imported in the hub", text("select distinct what from sync.activity a join customers c on c.id::text = a.record_id where c.name = 'Imported' and kind = 'change'"));
    }

    @Test
    void it_is_tried_again_until_it_is_accepted_and_holds_nobody_up() throws Exception {
        catcher.refuseNext(429);
        var id = insert("'Late'", "'late@example.com'");
        eventually().until(() -> text("select count(*) from sync.failure where record_id = '" + id + "' and code = 'http_429'"), "1"::equals);
        insert("'Other'", "'other@example.com'");
        awaitMail("other@example.com");
        awaitMail("late@example.com");
        assertEquals(1, mails("late@example.com").size());
        eventually().until(() -> text("select count(*) from sync.failure where record_id = '" + id + "'"), "0"::equals);
    }

    @Test
    void a_provider_that_says_too_fast_gets_fewer_messages_a_second() throws Exception {
        try (var sql = Sql.open(database.dataSource())) {
            sql.run("delete from sync.rate");
        }
        catcher.refuseNext(429);
        insert("'First'", "'first@example.com'");
        eventually().until(() -> text("select count(*) from sync.status() where metric = 'rate.slowed' and system = 'welcome-email' and class = 'all'"), "1"::equals);
        long begin = System.nanoTime();
        run("insert into customers (name, email) select 'Many', 'many' || n || '@example.com' from generate_series(1, 40) n");
        for (int i = 1; i <= 40; i++) {
            awaitMail("many" + i + "@example.com");
        }
        var taken = Duration.ofNanos(System.nanoTime() - begin);
        assertTrue(taken.toMillis() > 2000, () -> "40 messages in " + taken + ", at 10 a second and slowly more");
    }

    @Test
    void who_is_gone_or_has_no_address_any_more_when_it_is_tried_again_gets_none_and_is_no_failure() throws Exception {
        run("select sync.pause('welcome-email', 'out')");
        var gone = insert("'Gone'", "'gone@example.com'");
        var changed = insert("'Changed'", "'mistyped@example.com'");
        var none = insert("'None'", "'none@example.com'");
        eventually().until(() -> text("select count(*) from sync.link where system = 'welcome-email' and parked_at is not null"), "3"::equals);
        run("delete from customers where id = " + gone);
        run("update customers set email = 'correct@example.com' where id = " + changed);
        run("update customers set email = null where id = " + none);
        run("select sync.resume('welcome-email', 'out')");
        awaitMail("correct@example.com");
        eventually().until(() -> settled(none));
        eventually().until(() -> text("select count(*) from sync.link where system = 'welcome-email' and parked_at is not null"), "0"::equals);
        for (var address : List.of("gone@example.com", "mistyped@example.com", "none@example.com")) {
            assertEquals(List.of(), mails(address), address);
        }
        assertEquals("0", text("select count(*) from sync.failure where record_id in ('" + gone + "', '" + changed + "', '" + none + "')"));
    }

    @Test
    void one_whose_answer_was_an_error_and_who_is_deleted_meanwhile_gets_none() throws Exception {
        catcher.refuseNext(500);
        var id = insert("'Deleted'", "'deleted@example.com'");
        eventually().until(() -> text("select count(*) from sync.failure where record_id = '" + id + "' and code = 'http_500'"), "1"::equals);
        run("delete from customers where id = " + id);
        eventually().until(() -> text("select count(*) from sync.failure where record_id = '" + id + "'"), "0"::equals);
        eventually().until(() -> text("select count(*) from sync.link where record_id = '" + id + "' and in_flight_op is not null"), "0"::equals);
        assertEquals(List.of(), mails("deleted@example.com"));
    }

    @Test
    void an_address_that_is_refused_is_a_failure_that_does_not_repeat_it() throws Exception {
        var id = insert("'Wrong'", "'not an address'");
        eventually().until(() -> text("select count(*) from sync.failure where record_id = '" + id + "'"), "1"::equals);
        assertEquals("permanent http_400 welcome-email answered 400",
                text("select class || ' ' || code || ' ' || reason from sync.failure where record_id = '" + id + "'"));
    }

    @Test
    void a_wrong_key_pauses_the_mail_and_nobody_loses_his() throws Exception {
        catcher.refuseNext(401);
        insert("'Waits'", "'waits@example.com'");
        eventually().until(() -> text("select count(*) from sync.system where name = 'welcome-email' and out_paused_because = 'welcome-email answered 401'"), "1"::equals);
        run("select sync.resume('welcome-email', 'out')");
        awaitMail("waits@example.com");
    }

    @Test
    void without_a_provider_no_route_and_no_group_waits() throws Exception {
        try (var off = application(TestServices.database()).start()) {
            assertEquals(null, off.camel().getRoute("welcome-email"));
        }
    }

    @Test
    void it_arrives_by_smtp_with_both_parts() throws Exception {
        var own = TestServices.database();
        var smtp = new GreenMail(new ServerSetup(Ports.free(), "127.0.0.1", "smtp"));
        smtp.setUser("postman", "s3cret?&+");
        smtp.start();
        try (var server = SandboxKafka.startTemporary(); var another = application(own).kafka(server)
                .with("welcome-email.provider", "smtp").with("welcome-email.from-name", "Zoë's shop 🐫")
                .with("smtp.url", "smtp://127.0.0.1:" + smtp.getSmtp().getPort()).with("smtp.starttls", "false")
                .with("smtp.username", "postman").with("smtp.password", "s3cret?&+").start(); var sql = Sql.open(own.dataSource())) {
            sql.run("insert into customers (name, email) values ('<b>Søren</b> 🐫' || chr(10) || 'Bcc: all@example.com', 'soren@example.com')");
            eventually().until(() -> smtp.getReceivedMessages().length == 1);
            var message = smtp.getReceivedMessages()[0];
            assertEquals("Welcome, <b>Søren</b> 🐫 Bcc: all@example.com", message.getSubject());
            assertEquals("[Zoë's shop 🐫 <shop@example.com>]", readable(message));
            assertEquals("[soren@example.com]", List.of(message.getAllRecipients()).toString());
            var parts = (MimeMultipart) message.getContent();
            assertTrue(parts.getContentType().startsWith("multipart/alternative"), parts::getContentType);
            assertTrue(parts.getBodyPart(0).getContentType().startsWith("text/plain"));
            assertTrue(parts.getBodyPart(0).getContent().toString().contains("Hello <b>Søren</b> 🐫 Bcc: all@example.com,"));
            assertTrue(parts.getBodyPart(1).getContentType().startsWith("text/html"));
            assertTrue(parts.getBodyPart(1).getContent().toString().contains("Hello &lt;b&gt;Søren&lt;/b&gt; 🐫 Bcc: all@example.com,"));

            sql.run("insert into customers (name, email) values ('Two', 'one@example.com, two@example.com')");
            eventually().until(() -> sql.text("select count(*) from sync.failure where class = 'permanent'"), "1"::equals);
            assertEquals(1, smtp.getReceivedMessages().length);
        } finally {
            smtp.stop();
        }
    }

    private static String readable(MimeMessage message) throws Exception {
        return List.of(message.getFrom()).stream().map(address -> {
            var internet = (jakarta.mail.internet.InternetAddress) address;
            return internet.getPersonal() + " <" + internet.getAddress() + ">";
        }).toList().toString();
    }

    private static ConditionFactory eventually() {
        return await().atMost(Duration.ofSeconds(15)).pollInterval(Duration.ofMillis(20));
    }

    private static boolean settled(String id) throws SQLException {
        return text("select count(*) from sync.link where system = 'welcome-email' and record_id = '" + id + "' and external_id is not null and lease_until is null").equals("1");
    }

    private static List<Mail> mails(String address) {
        return catcher.mails().stream().filter(mail -> mail.to().equals(address)).toList();
    }

    private static Mail awaitMail(String address) {
        return eventually().until(() -> mails(address), some -> !some.isEmpty()).get(0);
    }

    private static String insert(String name, String email) throws SQLException {
        return text("insert into customers (name, email) values (" + name + ", " + email + ") returning id");
    }

    private static void run(String statement) throws SQLException {
        try (var sql = Sql.open(database.dataSource())) {
            sql.run(statement);
        }
    }

    private static String text(String query) throws SQLException {
        try (var sql = Sql.open(database.dataSource())) {
            return sql.text(query);
        }
    }
}
