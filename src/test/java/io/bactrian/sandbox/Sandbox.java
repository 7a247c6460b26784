package io.bactrian.sandbox;

import io.bactrian.Main;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;

/**
 * Runs Bactrian with everything that it needs on this machine: {@code mvn -Psandbox}, or this class on the test class path. The state is kept
 * in {@code .sandbox/}. Ctrl-C ends it. When it cannot start, the exit code is 1 and standard error says why, in one line.
 */
public final class Sandbox {

    private static final Duration TIME_TO_END = Duration.ofSeconds(30);

    private static volatile boolean ending;

    private Sandbox() {
    }

    public static void main(String[] args) throws IOException {
        // Before the first logger. Tests, which share this class path, log to a file.
        if (System.getProperty("log4j2.configurationFile") == null) {
            System.setProperty("log4j2.configurationFile", "sandbox/log4j2.xml");
        }
        var sandbox = Thread.currentThread();
        var atEnd = new Thread(() -> end(sandbox), "sandbox-end");
        Runtime.getRuntime().addShutdownHook(atEnd);
        int exitCode = run();
        if (!ending) {
            Runtime.getRuntime().removeShutdownHook(atEnd);
            System.exit(exitCode);
        }
    }

    /** The JVM is told to end: it does once this returns, and by then everything is to be stopped. */
    private static void end(Thread sandbox) {
        ending = true;
        try {
            sandbox.join(TIME_TO_END.toMillis());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private static int run() throws IOException {
        var settings = new SandboxSettings();
        var directory = Files.createDirectories(Path.of(settings.get("sandbox.directory", ".sandbox")));
        try (var file = FileChannel.open(directory.resolve("lock"), StandardOpenOption.CREATE, StandardOpenOption.WRITE); var lock = file.tryLock()) {
            return lock == null ? cannotStart("another one runs on " + directory.toAbsolutePath()) : run(settings, directory);
        }
    }

    private static int run(SandboxSettings settings, Path directory) throws IOException {
        System.out.println("Bactrian's sandbox is starting.");
        try (var parts = new SandboxParts(settings, directory)) {
            parts.start();
            return ending ? 0 : Main.run(() -> System.out.println(new SandboxSummary(settings, parts)));
        } catch (IOException e) {
            return cannotStart(e.getMessage());
        }
    }

    private static int cannotStart(String reason) {
        System.err.println("The sandbox cannot start: " + reason);
        return 1;
    }
}
