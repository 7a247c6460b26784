package io.bactrian;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import io.bactrian.sandbox.SandboxKafka;
import io.bactrian.sandbox.SandboxPostgres;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.sql.SQLException;
import java.util.concurrent.atomic.AtomicInteger;
import javax.sql.DataSource;
import org.postgresql.ds.PGSimpleDataSource;

/**
 * The Postgres and the Kafka that all tests of a run share: each is started when first asked for and stopped when the JVM ends. A test that
 * stops or restarts a server starts one of its own instead.
 *
 * <p>What keeps tests apart: {@link #database()} gives each a database of its own, {@link #name(String)} names for topics and groups.
 */
public final class TestServices {

    private static final String TEMPLATE = "migrated";
    private static final AtomicInteger COUNTER = new AtomicInteger();

    private static SandboxPostgres postgres;
    private static SandboxKafka kafka;

    private TestServices() {
    }

    /**
     * A database of a test's own, which belongs to the user {@code bactrian}.
     *
     * @param jdbcUrl its address, without user and password
     * @param dataSource connections as that user; there is no pool
     */
    public record Database(String name, String jdbcUrl, String username, String password, DataSource dataSource) {
    }

    /** The shared server. */
    public static synchronized SandboxPostgres postgres() {
        if (postgres == null) {
            try {
                postgres = closeAtEnd(SandboxPostgres.startTemporary());
                execute("create database " + TEMPLATE + " owner " + SandboxPostgres.NAME);
                Migrations.run(dataSource(TEMPLATE));
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
        return postgres;
    }

    /** The shared broker. */
    public static synchronized SandboxKafka kafka() {
        if (kafka == null) {
            try {
                kafka = closeAtEnd(SandboxKafka.startTemporary());
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
        return kafka;
    }

    /** A new database of the shared server, with all migrations applied and no rows. */
    public static synchronized Database database() {
        return database(TEMPLATE);
    }

    /** A new database of the shared server, with no tables. */
    public static synchronized Database emptyDatabase() {
        return database("template1");
    }

    /** Connections that are kept and lent again, for whoever asks all the time: to make one takes longer than most queries. The caller closes it. */
    public static HikariDataSource pool(DataSource dataSource) {
        var configuration = new HikariConfig();
        configuration.setDataSource(dataSource);
        configuration.setMaximumPoolSize(5);
        configuration.setMinimumIdle(0);
        configuration.setInitializationFailTimeout(-1); // Its Postgres may be started later.
        return new HikariDataSource(configuration);
    }

    /** A name that no other test of this run has: the given one with a number. */
    public static String name(String prefix) {
        return prefix + COUNTER.incrementAndGet();
    }

    private static Database database(String template) {
        postgres();
        var name = name("test");
        execute("create database " + name + " owner " + SandboxPostgres.NAME + " template " + template);
        return new Database(name, postgres.jdbcUrl(name), SandboxPostgres.NAME, SandboxPostgres.NAME, dataSource(name));
    }

    private static DataSource dataSource(String database) {
        var dataSource = new PGSimpleDataSource();
        dataSource.setUrl(postgres.jdbcUrl(database));
        dataSource.setUser(SandboxPostgres.NAME);
        dataSource.setPassword(SandboxPostgres.NAME);
        return dataSource;
    }

    private static void execute(String sql) {
        try (var connection = postgres.superuser("postgres").getConnection(); var statement = connection.createStatement()) {
            statement.execute(sql);
        } catch (SQLException e) {
            throw new IllegalStateException("failed: " + sql, e);
        }
    }

    private static <T extends AutoCloseable> T closeAtEnd(T service) {
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            try {
                service.close();
            } catch (Exception e) {
                throw new IllegalStateException("a shared test service does not stop", e);
            }
        }));
        return service;
    }
}
