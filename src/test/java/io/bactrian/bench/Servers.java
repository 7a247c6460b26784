package io.bactrian.bench;

import io.bactrian.sandbox.SandboxKafka;
import io.bactrian.sandbox.SandboxPostgres;
import io.bactrian.sandbox.stripe.StripeSimulator;
import java.io.IOException;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.locks.LockSupport;
import org.postgresql.PGConnection;

/** What the application needs around it, new and empty: a durable Postgres with settings as it comes, a broker, Stripe's simulator. */
final class Servers implements AutoCloseable {

    final SandboxPostgres postgres;
    final SandboxKafka kafka;
    final StripeSimulator stripe;
    private final Set<Long> ownBackends = ConcurrentHashMap.newKeySet();

    private Servers() throws IOException {
        postgres = SandboxPostgres.startTemporary();
        kafka = SandboxKafka.startTemporary();
        stripe = StripeSimulator.start(StripeSimulator.Options.inMemory());
    }

    static Servers start() throws IOException {
        return new Servers();
    }

    /** A connection of one's own, committing each statement. */
    Connection connect() throws SQLException {
        var connection = DriverManager.getConnection(postgres.jdbcUrl(), SandboxPostgres.NAME, SandboxPostgres.NAME);
        ownBackends.add(backend(connection));
        return connection;
    }

    /** The process of Postgres that serves this connection. */
    static long backend(Connection connection) throws SQLException {
        return connection.unwrap(PGConnection.class).getBackendPID();
    }

    /** The processes of Postgres that work for the benchmark itself, those included that have ended. */
    Set<Long> ownBackends() {
        return ownBackends;
    }

    /** Runs SQL with those parameters in a transaction of its own. */
    void execute(String sql, Object... parameters) throws SQLException {
        try (var connection = connect(); var statement = connection.prepareStatement(sql)) {
            for (int i = 0; i < parameters.length; i++) {
                statement.setObject(i + 1, parameters[i]);
            }
            statement.execute();
        }
    }

    /** The one number that a query returns. */
    long number(String sql) throws SQLException {
        try (var connection = connect(); var statement = connection.createStatement(); var rows = statement.executeQuery(sql)) {
            rows.next();
            return rows.getLong(1);
        }
    }

    /**
     * Makes sure that a query counts what it should.
     *
     * @param what what is counted, for the message
     * @throws IllegalStateException when it does not: the benchmark has measured something else
     */
    void expect(String what, long expected, String sql) throws SQLException {
        expect(what, expected, number(sql));
    }

    static void expect(String what, long expected, long actual) {
        if (actual != expected) {
            throw new IllegalStateException(what + ": " + actual + " instead of " + expected);
        }
    }

    /** Returns when a query counts that. It is asked so seldom that the asking takes at most a twentieth of a processor. */
    void await(long expected, String sql) throws SQLException {
        try (var connection = connect(); var statement = connection.prepareStatement(sql)) {
            for (long deadline = System.nanoTime() + 120_000_000_000L; System.nanoTime() < deadline;) {
                long begin = System.nanoTime();
                try (var rows = statement.executeQuery()) {
                    rows.next();
                    if (rows.getLong(1) == expected) {
                        return;
                    }
                }
                LockSupport.parkNanos(Math.max(5_000_000, 20 * (System.nanoTime() - begin)));
            }
        }
        throw new IllegalStateException("not within two minutes: " + expected + " by " + sql);
    }

    /** Returns when every captured change is in Kafka. */
    void awaitEmptyOutbox() throws SQLException {
        await(0, "select count(*) from (select from sync.outbox limit 1) waiting");
    }

    @Override
    public void close() throws IOException {
        stripe.close();
        kafka.close();
        postgres.close();
    }
}
