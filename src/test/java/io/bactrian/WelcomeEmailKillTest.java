package io.bactrian;

import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.bactrian.sandbox.mail.Mail;
import io.bactrian.sandbox.mail.MailCatcher;
import java.sql.SQLException;
import java.time.Duration;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class WelcomeEmailKillTest {

    private static final int CUSTOMERS = 1_000;
    private static final int KILLS = 2;
    private static final int CONCURRENCY = 8; // of a system for which none is set
    private static final Duration PATIENCE = Duration.ofMinutes(3);

    @Test
    void every_new_customer_gets_a_message_and_none_who_was_imported_though_it_is_killed() throws Exception {
        try (var catcher = MailCatcher.start(0, "SG.test"); var sides = new TwoSides()) {
            sides.keepRoutes("errors", "capture", "upkeep", "templates/announce", "welcome-email", "welcome-email-sendgrid")
                    .with("WELCOME_EMAIL_PROVIDER", "sendgrid").with("WELCOME_EMAIL_FROM", "shop@example.com").with("KAFKA_CONSUMERS", "6")
                    .with("SENDGRID_API_BASE", catcher.baseUrl().toString()).with("SENDGRID_API_KEY", "SG.test");
            for (int round = 0; round < KILLS; round++) {
                sides.startApplication();
                sides.awaitReady();
                insert(sides, "set local sync.importing = off", "new", round * CUSTOMERS / KILLS, (round + 1) * CUSTOMERS / KILLS);
                insert(sides, "set local sync.importing = on", "old", 0, 50);
                int enough = round * CUSTOMERS / KILLS + CUSTOMERS / KILLS / 4;
                await().atMost(PATIENCE).pollInterval(Duration.ofMillis(2)).until(() -> catcher.mails().size() >= enough);
                sides.kill();
            }
            sides.startApplication();
            var expected = IntStream.rangeClosed(1, CUSTOMERS).mapToObj(n -> "new" + n + "@example.com").collect(Collectors.toSet());
            await().atMost(PATIENCE).until(() -> catcher.mails().stream().map(Mail::to).collect(Collectors.toSet()).containsAll(expected));
            await().atMost(PATIENCE).during(Duration.ofSeconds(1)).until(() -> sides.count("sync.outbox") == 0
                    && sides.count("sync.link where lease_until is not null or in_flight_op is not null") == 0);
            assertEquals(expected, catcher.mails().stream().map(Mail::to).collect(Collectors.toSet()));
            int doubles = catcher.mails().size() - expected.size();
            assertTrue(doubles <= KILLS * CONCURRENCY, () -> doubles + " doubles: more than were under way at the kills");
        }
    }

    private static void insert(TwoSides sides, String setting, String who, int after, int upTo) throws SQLException {
        try (var connection = sides.connect(); var statement = connection.createStatement()) {
            connection.setAutoCommit(false);
            statement.execute(setting);
            statement.execute("insert into customers (name, email) select 'Somebody', '" + who + "' || n || '@example.com' from generate_series(" + (after + 1) + ", "
                    + upTo + ") n");
            connection.commit();
        }
    }
}
