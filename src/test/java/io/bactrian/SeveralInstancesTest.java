package io.bactrian;

import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.bactrian.sandbox.Ports;
import io.bactrian.sandbox.SandboxKafka;
import io.bactrian.sandbox.Temporary;
import io.bactrian.sandbox.stripe.StripeSimulator;
import io.bactrian.sync.Sql;
import java.io.IOException;
import java.net.ConnectException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** Three instances at once: they share the work, and any of them may go. */
class SeveralInstancesTest {

    private static final Duration PATIENCE = Duration.ofMinutes(2);

    private final Path directory;

    SeveralInstancesTest() throws IOException {
        directory = Temporary.directory("instances");
    }

    private record Instance(ChildProcess process, int httpPort, int managementPort) {

        void awaitReady() {
            await().atMost(PATIENCE).failFast(() -> assertTrue(process.isAlive(), process::errors)).ignoreException(ConnectException.class)
                    .until(() -> ChildProcess.get(managementPort, "/observe/health/ready").statusCode() == 200);
        }
    }

    @Test
    void share_the_work_and_take_over_what_a_killed_or_a_stopped_one_leaves() throws Exception {
        var database = TestServices.database();
        try (var kafka = SandboxKafka.startTemporary(); var stripe = StripeSimulator.start(StripeSimulator.Options.inMemory());
                var underWay = new UnderWay(database.dataSource(), kafka.bootstrap(), stripe::webhooksIdle); var sql = Sql.open(database.dataSource())) {
            ChildProcess.copyTo(directory, "application.properties", "sql", "routes");
            var killed = start(database, kafka, stripe);
            var stopped = start(database, kafka, stripe);
            var last = start(database, kafka, stripe);
            try (var one = killed.process; var two = stopped.process; var three = last.process) {
                List.of(killed, stopped, last).forEach(Instance::awaitReady);
                stripe.webhookUrl("http://127.0.0.1:" + last.httpPort + "/webhooks/stripe");

                // All of them have a part in it.
                var holders = new HashSet<String>();
                await().atMost(PATIENCE).until(() -> {
                    insert(sql, 20);
                    underWay.awaitIdleConsumers();
                    holders.addAll(sql.texts("select distinct holder from sync.link"));
                    return holders.size() == 3;
                });

                insert(sql, 1000);
                await().atMost(PATIENCE).pollDelay(Duration.ZERO).pollInterval(Duration.ofMillis(5)).until(() -> sql.number("select count(*) from sync.link where lease_until is not null") > 0);
                one.close(); // as kill -9 does
                insert(sql, 100);
                underWay.awaitNothing();

                insert(sql, 100);
                two.terminate();
                assertEquals(143, two.exitCode());
                insert(sql, 100);
                underWay.awaitNothing();

                long rows = sql.number("select count(*) from customers");
                assertEquals(rows, stripe.dashboard().customers().size());
                assertEquals(rows, stripe.dashboard().customers().stream().map(customer -> customer.at("/metadata/hub_id").asText()).distinct().count());
                assertEquals(0, sql.number("select count(*) from sync.failure"));
            }
        } finally {
            Temporary.delete(directory);
        }
    }

    private static void insert(Sql sql, int rows) throws Exception {
        sql.run("insert into customers (name) select 'one of many' from generate_series(1, ?)", rows);
    }

    private Instance start(TestServices.Database database, SandboxKafka kafka, StripeSimulator stripe) throws IOException {
        int httpPort = Ports.free();
        int managementPort = Ports.free();
        var environment = new HashMap<>(Map.ofEntries(
                Map.entry("POSTGRES_URL", database.jdbcUrl()),
                Map.entry("POSTGRES_USERNAME", database.username()),
                Map.entry("POSTGRES_PASSWORD", database.password()),
                Map.entry("POSTGRES_POOL_SIZE", "8"),
                Map.entry("KAFKA_BROKERS", kafka.bootstrap()),
                Map.entry("KAFKA_CONSUMERS", "2"), // all of them together as many as there are partitions, so that each instance gets some
                Map.entry("STRIPE_API_KEY", "sk_test_sandbox"),
                Map.entry("STRIPE_API_BASE", stripe.baseUrl().toString()),
                Map.entry("STRIPE_WEBHOOK_SECRET", "whsec_sandbox"),
                Map.entry("STRIPE_RATE_LIMIT", "1000"),
                Map.entry("HTTP_PORT", Integer.toString(httpPort)),
                Map.entry("MANAGEMENT_PORT", Integer.toString(managementPort))));
        environment.putAll(ChildProcess.SHORT_LEASES);
        return new Instance(ChildProcess.application(directory, environment), httpPort, managementPort);
    }
}
