package io.bactrian.sandbox;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.nio.file.Path;
import java.sql.DriverManager;
import java.sql.SQLException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SandboxPostgresTest {

    @TempDir
    Path directory;

    @Test
    void is_as_durable_as_a_real_one_and_keeps_its_data() throws Exception {
        int port;
        try (var postgres = SandboxPostgres.start(directory, 0)) {
            port = postgres.port();
            for (var setting : new String[] {"fsync", "synchronous_commit", "full_page_writes"}) {
                assertEquals("on", ask(postgres, "show " + setting), setting);
            }
            assertEquals("logical", ask(postgres, "show wal_level"));
            tell(postgres, "create table kept (id int)");
            tell(postgres, "insert into kept values (42)");
            postgres.restart();
            assertEquals("42", ask(postgres, "select id from kept"));
        }
        try (var postgres = SandboxPostgres.start(directory, port)) {
            assertEquals("42", ask(postgres, "select id from kept"));
            postgres.stop();
            postgres.start();
            assertEquals("42", ask(postgres, "select id from kept"));
        }
        assertEquals(true, Ports.isFree(port));
    }

    @Test
    void asks_for_the_password() throws Exception {
        try (var postgres = SandboxPostgres.start(directory, 0)) {
            var refused = assertThrows(SQLException.class, () -> DriverManager.getConnection(postgres.jdbcUrl(), SandboxPostgres.NAME, "wrong"));
            assertEquals("28P01", refused.getSQLState());
        }
    }

    @Test
    void says_that_its_port_is_taken() throws Exception {
        int port = Ports.free();
        try (var other = new ServerSocket()) {
            other.bind(new InetSocketAddress(SandboxPostgres.HOST, port));
            var refused = assertThrows(IOException.class, () -> SandboxPostgres.start(directory, port));
            assertEquals("port " + port + " is taken", refused.getMessage());
        }
    }

    private static String ask(SandboxPostgres postgres, String sql) throws SQLException {
        try (var connection = DriverManager.getConnection(postgres.jdbcUrl(), SandboxPostgres.NAME, SandboxPostgres.NAME);
                var statement = connection.createStatement();
                var result = statement.executeQuery(sql)) {
            result.next();
            return result.getString(1);
        }
    }

    private static void tell(SandboxPostgres postgres, String sql) throws SQLException {
        try (var connection = DriverManager.getConnection(postgres.jdbcUrl(), SandboxPostgres.NAME, SandboxPostgres.NAME);
                var statement = connection.createStatement()) {
            statement.execute(sql);
        }
    }
}
