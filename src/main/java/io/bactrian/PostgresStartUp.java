package io.bactrian;

import io.bactrian.sync.Integration;
import java.io.IOException;
import java.net.ConnectException;
import java.net.SocketTimeoutException;
import java.net.UnknownHostException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Array;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import javax.sql.DataSource;
import org.flywaydb.core.api.FlywayException;
import org.postgresql.ds.PGSimpleDataSource;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Finds out whether Postgres is there, and tells what passes by itself from what a person must put right. */
final class PostgresStartUp {

    private static final Logger LOG = LoggerFactory.getLogger(PostgresStartUp.class);

    /** https://www.postgresql.org/docs/17/errcodes-appendix.html, and the driver's 08004 for a server that refuses us as we are. */
    private static final Set<String> BAD_CREDENTIALS = Set.of("28000", "28P01");
    private static final String NO_SUCH_DATABASE = "3D000";
    private static final String NOT_ALLOWED = "42501";
    private static final String REFUSED_BY_SERVER = "08004";

    /** Classes of errors that pass: connection, resources, operator intervention (starting up, shutting down), server disk or memory. */
    private static final Set<String> TRANSIENT_CLASSES = Set.of("08", "53", "57", "58");

    private final Settings settings;
    private final DataSource dataSource;
    private List<String> entities = List.of();
    private Optional<String> paused = Optional.empty();

    PostgresStartUp(Settings settings) {
        this.settings = settings;
        var unpooled = new PGSimpleDataSource();
        unpooled.setUrl(settings.postgresUrl());
        unpooled.setUser(settings.postgresUsername());
        unpooled.setPassword(settings.postgresPassword());
        unpooled.setConnectTimeout(5);
        unpooled.setLoginTimeout(10);
        dataSource = unpooled;
    }

    /** The server as a person finds it in the settings. */
    String name() {
        return settings.postgresName() + " (postgres.url)";
    }

    /**
     * Connects.
     *
     * @return nothing when that worked, else why it does not yet
     * @throws StartUpException when it will not work without a change
     */
    Optional<String> connect() {
        try (var connection = dataSource.getConnection()) {
            return Optional.empty();
        } catch (SQLException e) {
            return judge(e);
        }
    }

    /**
     * Migrates, and reads which tables are tracked.
     *
     * @return nothing when that worked, else why it does not yet
     * @throws StartUpException when it will not work without a change
     */
    Optional<String> migrate() {
        try {
            Migrations.run(dataSource);
            entities = readEntities();
            return Optional.empty();
        } catch (SQLException e) {
            return judge(e);
        } catch (IOException e) {
            throw new StartUpException("sql/entity-list.sql cannot be read: " + e.getMessage(), e);
        } catch (FlywayException e) {
            var sql = causeOf(e);
            if (sql.isPresent()) {
                return judge(sql.get(), "sql/migration: " + oneLine(e.getMessage()));
            }
            throw new StartUpException("sql/migration: " + oneLine(e.getMessage()), e);
        }
    }

    private List<String> readEntities() throws SQLException, IOException {
        var sql = Files.readString(Path.of("sql/entity-list.sql"));
        try (var connection = dataSource.getConnection(); var statement = connection.createStatement(); var rows = statement.executeQuery(sql)) {
            var names = new ArrayList<String>();
            while (rows.next()) {
                names.add(rows.getString("name"));
            }
            return names;
        }
    }

    /**
     * Writes down what the route files say, for SQL and people to read.
     *
     * @return nothing when that worked, else why it does not yet
     * @throws StartUpException when it will not work without a change
     */
    Optional<String> register(List<Integration> integrations) {
        try (var connection = dataSource.getConnection()) {
            connection.setAutoCommit(false); // what is wrong is not written
            try (var statement = connection.prepareStatement(Files.readString(Path.of("sql/integration-register.sql")))) {
                for (var one : integrations) {
                    register(one, connection.createArrayOf("text", one.fields().toArray()), statement);
                }
            }
            connection.commit();
            return Optional.empty();
        } catch (SQLException e) {
            return judge(e);
        } catch (IOException e) {
            throw new StartUpException("sql/integration-register.sql cannot be read: " + e.getMessage(), e);
        }
    }

    private static void register(Integration one, Array fields, PreparedStatement statement) throws SQLException {
        statement.setString(1, one.system());
        statement.setString(2, one.entity());
        statement.setArray(3, fields);
        statement.setString(4, one.policy());
        statement.setString(5, one.deletesOut());
        statement.setString(6, one.deletesIn());
        statement.setLong(7, one.maxDeletes());
        statement.setBigDecimal(8, one.maxDeletePercent());
        statement.setString(9, one.place().file());
        try (var rows = statement.executeQuery()) {
            rows.next();
            if (rows.getString("missing") != null) {
                throw new StartUpException(one.wrong("deletes-in", rows.getString("missing")).getMessage());
            }
            if (rows.getString("unknown_field") != null) {
                throw new StartUpException(one.wrong("fields", "the table has no column '%s': add it, or correct the name".formatted(rows.getString("unknown_field")))
                        .getMessage());
            }
            if (!rows.getBoolean("tracked")) {
                LOG.warn("{}: {} is not tracked, so none of its changes go to {}: select sync.track('{}')", one.place().of("entity"), one.entity(), one.system(), one.entity());
            }
        }
    }

    /**
     * Looks whether this is the database in which this installation was started before; if not, Postgres pauses all systems.
     *
     * @return nothing when that worked, else why it does not yet
     * @throws StartUpException when it will not work without a change
     */
    Optional<String> checkInstallation() {
        try (var connection = dataSource.getConnection(); var statement = connection.createStatement();
                var rows = statement.executeQuery(Files.readString(Path.of("sql/installation-check.sql")))) {
            rows.next();
            paused = Optional.ofNullable(rows.getString("because"));
            return Optional.empty();
        } catch (SQLException e) {
            return judge(e);
        } catch (IOException e) {
            throw new StartUpException("sql/installation-check.sql cannot be read: " + e.getMessage(), e);
        }
    }

    /** Leaves the outbox to other instances, as far as Postgres can be reached. To be called when this one no longer drains it. */
    void releaseOutbox(String instance) {
        try (var connection = dataSource.getConnection();
                var statement = connection.prepareStatement(Files.readString(Path.of("sql/outbox-release.sql")))) {
            statement.setString(1, instance);
            statement.executeUpdate();
        } catch (SQLException | IOException e) {
            LOG.debug("the outbox is free when its lease is over", e);
        }
    }

    /** Why all systems are paused, with what a person must do. */
    Optional<String> paused() {
        return paused;
    }

    /** The tables that were tracked after the migration. */
    List<String> entities() {
        return entities;
    }

    private Optional<String> judge(SQLException e) {
        return judge(e, name() + ": " + oneLine(e.getMessage()));
    }

    private Optional<String> judge(SQLException e, String otherwise) {
        var state = e.getSQLState() == null ? "" : e.getSQLState();
        if (BAD_CREDENTIALS.contains(state)) {
            throw new StartUpException(name() + " refuses the user '" + settings.postgresUsername() + "': check postgres.username, "
                    + "postgres.password and the server's pg_hba.conf (" + oneLine(e.getMessage()) + ")", e);
        }
        if (state.equals(NO_SUCH_DATABASE)) {
            throw new StartUpException(name() + " has no such database: create it, or correct postgres.url", e);
        }
        if (state.equals(NOT_ALLOWED)) {
            throw new StartUpException(name() + ": the user '" + settings.postgresUsername() + "' (postgres.username) may not do what is "
                    + "needed; make it the owner of the database (" + oneLine(e.getMessage()) + ")", e);
        }
        if (!state.equals(REFUSED_BY_SERVER) && state.length() == 5 && TRANSIENT_CLASSES.contains(state.substring(0, 2))) {
            return Optional.of(plain(e));
        }
        throw new StartUpException(otherwise, e);
    }

    private static Optional<SQLException> causeOf(Throwable e) {
        for (var cause = e; cause != null; cause = cause.getCause()) {
            if (cause instanceof SQLException sql) {
                return Optional.of(sql);
            }
        }
        return Optional.empty();
    }

    /** The driver wraps what the network says into long sentences. */
    private static String plain(SQLException e) {
        var cause = e.getCause();
        if (cause instanceof UnknownHostException) {
            return "unknown host";
        }
        if (cause instanceof ConnectException) {
            return "connection refused";
        }
        return cause instanceof SocketTimeoutException ? "no answer" : oneLine(e.getMessage());
    }

    private static String oneLine(String message) {
        return message.strip().replaceAll("\\s*\\R\\s*", " ");
    }
}
