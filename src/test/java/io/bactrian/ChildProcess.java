package io.bactrian;

import java.io.IOException;
import java.lang.ProcessBuilder.Redirect;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;

/** Bactrian, or its sandbox, in a process of its own, as a person starts it: a directory, an environment, two streams, an exit code. */
public final class ChildProcess implements AutoCloseable {

    /** Settings, by their environment names, with which what a killed application held is soon free. */
    public static final Map<String, String> SHORT_LEASES = Map.of(
            "CAPTURE_LEASE", "2 seconds",
            "SYNC_LEASE", "5 seconds",
            "CAMEL_COMPONENT_STRIPE_CONNECT_TIMEOUT", "500ms", // a call ends before its lease
            "CAMEL_COMPONENT_STRIPE_READ_TIMEOUT", "1500ms",
            "KAFKA_SESSION_TIMEOUT", "4000",
            "KAFKA_HEARTBEAT_INTERVAL", "1000");

    private static final HttpClient HTTP = HttpClient.newHttpClient();
    private static final Duration PATIENCE = Duration.ofMinutes(2);

    private final Process process;
    private final Path output;
    private final Path errors;

    private ChildProcess(Process process, Path output, Path errors) {
        this.process = process;
        this.output = output;
        this.errors = errors;
    }

    /**
     * Starts Bactrian as it runs in production: without tests and the sandbox on the class path. All of its heap is in memory from the start, so that
     * whatever the process grows by is outside of it.
     *
     * @param directory holds application.properties, routes and sql
     * @param environment settings, by their environment names
     */
    public static ChildProcess application(Path directory, Map<String, String> environment) throws IOException {
        var classPath = Arrays.stream(classPath().split(System.getProperty("path.separator")))
                .filter(entry -> !entry.endsWith("test-classes"))
                .collect(Collectors.joining(System.getProperty("path.separator")));
        return start(List.of("-Xms256m", "-Xmx256m", "-XX:+AlwaysPreTouch", "-cp", classPath, "io.bactrian.Main"), directory, environment);
    }

    /** Starts the sandbox, as {@link #application}. */
    public static ChildProcess sandbox(Path directory, Map<String, String> environment) throws IOException {
        return start(List.of("-cp", classPath(), "io.bactrian.sandbox.Sandbox"), directory, environment);
    }

    /** Starts a class of the tests that has a main method. */
    static ChildProcess test(Class<?> main, Path directory, String... arguments) throws IOException {
        var all = new ArrayList<>(List.of("-Xmx256m", "-cp", classPath(), main.getName()));
        all.addAll(List.of(arguments));
        return start(all, directory, Map.of());
    }

    /** Copies the project's own settings, SQL and routes, as far as named, into a directory to start Bactrian in. */
    public static void copyTo(Path directory, String... names) throws IOException {
        for (var name : names) {
            try (var files = Files.walk(Path.of(name))) {
                for (var file : files.toList()) {
                    Files.copy(file, directory.resolve(file));
                }
            }
        }
    }

    private static String classPath() {
        return System.getProperty("surefire.test.class.path", System.getProperty("java.class.path"));
    }

    private static ChildProcess start(List<String> arguments, Path directory, Map<String, String> environment) throws IOException {
        var output = Files.createTempFile(directory, "output", ".txt");
        var errors = Files.createTempFile(directory, "errors", ".txt");
        var command = new ArrayList<>(List.of(Path.of(System.getProperty("java.home"), "bin", "java").toString()));
        command.addAll(List.of("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:+UnlockDiagnosticVMOptions", "-XX:-BytecodeVerificationRemote")); // a third less work to start
        command.addAll(arguments);
        var builder = new ProcessBuilder(command)
                .directory(directory.toFile())
                .redirectOutput(Redirect.to(output.toFile()))
                .redirectError(Redirect.to(errors.toFile()));
        builder.environment().putAll(environment);
        return new ChildProcess(builder.start(), output, errors);
    }

    /** Waits for its end, for two minutes at most. */
    public int exitCode() throws InterruptedException {
        if (!process.waitFor(PATIENCE.toSeconds(), TimeUnit.SECONDS)) {
            throw new AssertionError("it does not end; it printed:\n" + output() + errors());
        }
        return process.exitValue();
    }

    /** Whether it ends within that time. */
    public boolean endsWithin(Duration time) throws InterruptedException {
        return process.waitFor(time.toMillis(), TimeUnit.MILLISECONDS);
    }

    public long pid() {
        return process.pid();
    }

    /** Writes down what each of its threads does, while it lives. */
    void writeThreads(Path where) throws IOException, InterruptedException {
        new ProcessBuilder(Path.of(System.getProperty("java.home"), "bin", "jcmd").toString(), Long.toString(pid()), "Thread.print")
                .redirectErrorStream(true).redirectOutput(where.toFile()).start().waitFor();
    }

    public boolean isAlive() {
        return process.isAlive();
    }

    /** What it printed so far on standard output. */
    public String output() {
        return read(output);
    }

    /** What it printed so far on standard error. */
    public String errors() {
        return read(errors);
    }

    /** Tells it to end, as Ctrl-C or a container's runtime does. */
    public void terminate() {
        process.destroy();
    }

    /** Kills it, and waits until it is gone. */
    @Override
    public void close() {
        process.destroyForcibly();
        process.onExit().join();
    }

    /** Sends a GET to that port of loopback. */
    public static HttpResponse<String> get(int port, String path) throws IOException, InterruptedException {
        return HTTP.send(HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + port + path)).build(), BodyHandlers.ofString());
    }

    private static String read(Path file) {
        try {
            return Files.readString(file);
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }
}
