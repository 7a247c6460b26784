package io.bactrian.sandbox;

import io.zonky.test.db.postgres.embedded.EmbeddedPostgres;
import io.zonky.test.db.postgres.util.LinuxUtils;
import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.ProcessBuilder.Redirect;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import javax.sql.DataSource;

/**
 * A Postgres 17 of our own on 127.0.0.1, as durable as a real one: {@code fsync}, {@code synchronous_commit} and {@code full_page_writes}
 * are on, {@code wal_level} is logical. It has one database, {@value #NAME}, that belongs to the user {@value #NAME} with the password
 * {@value #NAME}; the superuser {@code postgres} needs no password.
 *
 * <p>Its data outlive it. It does not outlive this JVM: should the JVM be killed, a small shell that waits at the end of a pipe stops it,
 * and a server which is left over all the same is stopped by the next start on the same directory.
 */
public final class SandboxPostgres implements AutoCloseable {

    /** The name of the database, of its owner, and the owner's password. */
    public static final String NAME = "bactrian";

    public static final String HOST = "127.0.0.1";

    private final Path directory;
    private final boolean temporary;
    private final int port;
    private final EmbeddedPostgres server;
    private Process guard;

    private SandboxPostgres(Path directory, boolean temporary, int port) throws IOException {
        this.directory = directory;
        this.temporary = temporary;
        this.port = port;
        Files.createDirectories(directory);
        Files.deleteIfExists(log());
        removeUnfinishedDatabase();
        stopLeftOver();
        if (!Ports.isFree(port)) {
            throw new PortTakenException(port);
        }
        server = launch();
        guard = guard();
        createDatabase();
    }

    /**
     * Starts a server, or starts it again, and returns when it takes connections.
     *
     * @param directory where its data and its log are kept, created when absent
     * @param port the port to listen on, 0 for a free one
     * @throws IOException when it cannot be started: the port is taken, the directory is in use or cannot be written, …
     */
    public static SandboxPostgres start(Path directory, int port) throws IOException {
        return new SandboxPostgres(directory.toAbsolutePath().normalize(), false, port == 0 ? Ports.free() : port);
    }

    /** Starts a server on a free port whose data are deleted when it is closed. */
    public static SandboxPostgres startTemporary() throws IOException {
        return new SandboxPostgres(Temporary.directory("postgres"), true, Ports.free());
    }

    public String host() {
        return HOST;
    }

    public int port() {
        return port;
    }

    /** The address of the database {@value #NAME}, without user and password. */
    public String jdbcUrl() {
        return jdbcUrl(NAME);
    }

    /** The address of the database {@value #NAME} as psql takes it, with user and password. */
    public String address() {
        return "postgresql://" + NAME + ":" + NAME + "@" + HOST + ":" + port + "/" + NAME;
    }

    /** The address of another database of this server, without user and password. */
    public String jdbcUrl(String database) {
        return "jdbc:postgresql://" + HOST + ":" + port + "/" + database;
    }

    /** Connections as the superuser {@code postgres}, who needs no password; there is no pool. */
    public DataSource superuser(String database) {
        return server.getDatabase("postgres", database);
    }

    /** Stops the server at once, as a crash would: no checkpoint, clients are cut off. */
    public void stop() {
        release();
        control("stop", "-m", "immediate");
    }

    /** Starts the stopped server again on the same port and data, and returns when it takes connections. */
    public void start() {
        // pg_ctl restart repeats the options of the last start, and starts a server that does not run.
        control("restart");
        guard = guard();
    }

    /** Stops the server at once, as a crash would, and starts it again on the same port and data. */
    public void restart() {
        stop();
        start();
    }

    /** Stops the server, finishing what is committed. */
    @Override
    public void close() throws IOException {
        release();
        if (isRunning(data())) {
            control("stop", "-m", "fast");
        }
        server.close();
        if (temporary) {
            Temporary.delete(directory);
        }
    }

    private EmbeddedPostgres launch() throws IOException {
        var log = Redirect.appendTo(log().toFile());
        try {
            return EmbeddedPostgres.builder()
                    .setDataDirectory(data())
                    .setCleanDataDirectory(false)
                    .setRegisterShutdownHook(false)
                    .setDataDirectoryCustomizer(SandboxPostgres::askForPasswords)
                    .setPort(port)
                    .setLocaleConfig("locale", "C")
                    .setLocaleConfig("locale-provider", "builtin")
                    .setLocaleConfig("builtin-locale", "C.UTF-8")
                    .setServerConfig("listen_addresses", HOST)
                    .setServerConfig("unix_socket_directories", "")
                    .setServerConfig("fsync", "on")
                    .setServerConfig("synchronous_commit", "on")
                    .setServerConfig("full_page_writes", "on")
                    .setServerConfig("wal_level", "logical")
                    .setServerConfig("max_connections", "100")
                    .setServerConfig("log_checkpoints", "off")
                    .setPGStartupWait(Duration.ofSeconds(60))
                    .setOutputRedirector(log)
                    .setErrorRedirector(log)
                    .start();
        } catch (IOException | RuntimeException e) {
            throw new IOException("Postgres does not start: " + why(e), e);
        }
    }

    private static String why(Exception e) {
        if (!LinuxUtils.isUnshareAvailable() && "root".equals(System.getProperty("user.name"))) {
            return "it refuses to run as root, and this machine has no 'unshare -U' to lend it another identity; "
                    + "run as another user, or set postgres.url to a Postgres of yours";
        }
        return e.getMessage();
    }

    private static void askForPasswords(File data) {
        try {
            Files.writeString(data.toPath().resolve("pg_hba.conf"), """
                    host all         postgres 127.0.0.1/32 trust
                    host all         all      127.0.0.1/32 scram-sha-256
                    host replication all      127.0.0.1/32 scram-sha-256
                    """);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private void createDatabase() throws IOException {
        try (var connection = superuser("postgres").getConnection(); var statement = connection.createStatement()) {
            try (var roles = statement.executeQuery("select from pg_roles where rolname = '" + NAME + "'")) {
                if (!roles.next()) {
                    statement.execute("create role " + NAME + " login replication password '" + NAME + "'");
                }
            }
            try (var databases = statement.executeQuery("select from pg_database where datname = '" + NAME + "'")) {
                if (!databases.next()) {
                    statement.execute("create database " + NAME + " owner " + NAME);
                }
            }
        } catch (SQLException e) {
            throw new IOException("Postgres started, but its database cannot be created: " + e.getMessage(), e);
        }
    }

    /** An initdb that was killed leaves a directory without its last file, with which the server would not start. */
    private void removeUnfinishedDatabase() throws IOException {
        if (Files.exists(data()) && !Files.exists(data().resolve("global/pg_control"))) {
            Temporary.delete(data());
        }
    }

    private void stopLeftOver() {
        if (isRunning(data())) {
            control("stop", "-m", "fast");
        }
    }

    /** Whether a server runs on that data directory: its postmaster.pid names a living process that was started with this directory. */
    private static boolean isRunning(Path data) {
        var file = data.resolve("postmaster.pid");
        if (!Files.exists(file)) {
            return false;
        }
        try {
            var lines = Files.readAllLines(file);
            return lines.size() > 1
                    && Path.of(lines.get(1)).equals(data)
                    && ProcessHandle.of(Long.parseLong(lines.get(0).strip()))
                            .flatMap(process -> process.info().command())
                            .filter(command -> Path.of(command).getFileName().toString().startsWith("postgres"))
                            .isPresent();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private long pid() throws IOException {
        return Long.parseLong(Files.readAllLines(data().resolve("postmaster.pid")).get(0).strip());
    }

    /** Waits for the end of this JVM, of which it learns by the end of its input, and stops the server then; Ctrl-C is not for it. */
    private Process guard() throws UncheckedIOException {
        if (!Files.isExecutable(Path.of("/bin/sh"))) {
            return null;
        }
        try {
            var fastShutdown = "trap '' INT HUP; cat >/dev/null; kill -INT " + pid();
            return new ProcessBuilder("/bin/sh", "-c", fastShutdown).redirectOutput(Redirect.DISCARD).redirectError(Redirect.DISCARD).start();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private void release() {
        if (guard != null) {
            guard.destroyForcibly();
            guard = null;
        }
    }

    /** Runs pg_ctl from beside the program that runs, or ran, on our data. */
    private void control(String... arguments) {
        var command = new ArrayList<String>();
        if (LinuxUtils.isUnshareAvailable()) {
            command.addAll(List.of("unshare", "-U"));
        }
        command.addAll(List.of(programs().resolve("pg_ctl").toString(), "-D", data().toString(), "-w", "-t", "60"));
        command.addAll(Arrays.asList(arguments));
        try {
            var log = Redirect.appendTo(log().toFile());
            int exit = new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(log).start().waitFor();
            if (exit != 0) {
                throw new IllegalStateException("pg_ctl " + arguments[0] + " failed with exit code " + exit + "; see " + log());
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted while waiting for pg_ctl " + arguments[0], e);
        }
    }

    private Path programs() {
        try {
            var options = Files.readString(data().resolve("postmaster.opts"));
            return Path.of(options.substring(0, options.indexOf(" \"-D\""))).getParent();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private Path data() {
        return directory.resolve("data");
    }

    private Path log() {
        return directory.resolve("postgres.log");
    }
}
