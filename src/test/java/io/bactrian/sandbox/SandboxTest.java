package io.bactrian.sandbox;

import static org.awaitility.Awaitility.await;
import static org.hamcrest.Matchers.containsString;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.bactrian.ChildProcess;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.nio.file.Path;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SandboxTest {

    private static final Duration PATIENCE = Duration.ofMinutes(3);

    @TempDir
    Path directory;

    private final Map<String, Integer> ports = new HashMap<>();

    @BeforeEach
    void prepare() throws IOException {
        ChildProcess.copyTo(directory, "application.properties", "sql", "routes");
        Stream.of("HTTP_PORT", "MANAGEMENT_PORT", "SANDBOX_POSTGRES_PORT", "SANDBOX_KAFKA_PORT", "SANDBOX_STRIPE_PORT",
                        "SANDBOX_MAIL_PORT")
                .forEach(name -> ports.put(name, Ports.free()));
    }

    @Test
    void comes_back_with_its_data_after_it_was_killed_and_leaves_nothing_behind() throws Exception {
        try (var first = start()) {
            awaitUp(first);
            assertEquals(8, count("customers"));
            execute("delete from customers where email = 'zoe@example.com'");

            try (var second = start()) {
                assertEquals(1, second.exitCode());
                assertTrue(second.errors().startsWith("The sandbox cannot start: another one runs on "), second::errors);
            }
        }
        // Killed: its Postgres ends by itself.
        await().atMost(PATIENCE).until(() -> Ports.isFree(ports.get("SANDBOX_POSTGRES_PORT")));

        try (var again = start()) {
            awaitUp(again);
            assertEquals(7, count("customers"));
            again.terminate();
            again.exitCode();
            assertEquals("", again.errors());
            ports.forEach((name, port) -> assertTrue(Ports.isFree(port), name));
        }
    }

    @Test
    void names_the_part_whose_port_is_taken() throws Exception {
        try (var other = new ServerSocket()) {
            int port = ports.get("SANDBOX_KAFKA_PORT");
            other.bind(new InetSocketAddress(SandboxKafka.HOST, port));
            try (var sandbox = start()) {
                assertEquals(1, sandbox.exitCode());
                assertEquals("The sandbox cannot start: the Kafka's port " + port + " is taken; end what listens there, set sandbox.kafka-port to "
                        + "another, or kafka.brokers to one of your own", sandbox.errors().strip());
            }
            assertTrue(Ports.isFree(ports.get("SANDBOX_POSTGRES_PORT")));
        }
    }

    private ChildProcess start() throws IOException {
        var environment = new HashMap<String, String>();
        ports.forEach((name, port) -> environment.put(name, Integer.toString(port)));
        return ChildProcess.sandbox(directory, environment);
    }

    private static void awaitUp(ChildProcess sandbox) {
        await().atMost(PATIENCE)
                .failFast(() -> assertTrue(sandbox.isAlive(), () -> "it ended, having printed:\n" + sandbox.output() + sandbox.errors()))
                .until(sandbox::output, containsString("The sandbox is up."));
    }

    private int count(String table) throws SQLException {
        try (var connection = DriverManager.getConnection(url());
                var statement = connection.createStatement();
                var rows = statement.executeQuery("select count(*) from " + table)) {
            rows.next();
            return rows.getInt(1);
        }
    }

    private void execute(String sql) throws SQLException {
        try (var connection = DriverManager.getConnection(url()); var statement = connection.createStatement()) {
            statement.execute(sql);
        }
    }

    private String url() {
        return "jdbc:postgresql://127.0.0.1:" + ports.get("SANDBOX_POSTGRES_PORT") + "/bactrian?user=bactrian&password=bactrian";
    }
}
