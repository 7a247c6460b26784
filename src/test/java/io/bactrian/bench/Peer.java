package io.bactrian.bench;

import io.bactrian.sandbox.Ports;
import io.bactrian.sandbox.SandboxPostgres;
import java.io.IOException;
import java.lang.ProcessBuilder.Redirect;
import java.net.ConnectException;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;

/**
 * Another product that takes Stripe's webhooks into the same Postgres: {@code -Dbench.peer} is the shell command that starts it, {@code -Dbench.peer-path} where it
 * takes them ({@code /webhooks}). It is told by its environment: {@code PORT}, {@code DATABASE_URL}, {@code STRIPE_WEBHOOK_SECRET}, {@code SCHEMA}. So Stripe's own
 * sync engine (github.com/stripe/sync-engine, packages/fastify-app, once it is built) is started by {@code cd …/packages/fastify-app && exec node dist/src/server.js}.
 */
final class Peer implements AutoCloseable {

    private static final long PATIENCE_SECONDS = 60;

    private final Process process;
    private final int port;

    private Peer(Process process, int port) {
        this.process = process;
        this.port = port;
    }

    /** Starts it, and returns when it takes connections; null when there is none. */
    static Peer start(Servers servers) throws IOException, InterruptedException {
        var command = System.getProperty("bench.peer", "");
        if (command.isBlank()) {
            return null;
        }
        int port = Ports.free();
        var log = Files.createTempFile(Files.createDirectories(Path.of("target/bench")), "peer-", ".log").toFile();
        var builder = new ProcessBuilder("/bin/sh", "-c", command).redirectErrorStream(true).redirectOutput(Redirect.to(log));
        builder.environment().put("PORT", Integer.toString(port));
        builder.environment().put("DATABASE_URL", "postgresql://postgres@" + SandboxPostgres.HOST + ":" + servers.postgres.port() + "/postgres");
        builder.environment().put("STRIPE_WEBHOOK_SECRET", StripeEvents.SECRET);
        builder.environment().put("SCHEMA", "stripe");
        builder.environment().put("NODE_ENV", "production");
        var peer = new Peer(builder.start(), port);
        var pace = new Pace(20);
        for (long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(PATIENCE_SECONDS); System.nanoTime() < deadline; pace.await()) {
            if (!peer.process.isAlive()) {
                throw new IllegalStateException("the peer ended with exit code " + peer.process.exitValue() + ", see " + log);
            }
            try (var socket = new Socket(SandboxPostgres.HOST, port)) {
                return peer;
            } catch (ConnectException e) {
                // It does not listen yet.
            }
        }
        peer.close();
        throw new IllegalStateException("the peer does not listen on " + port + ", see " + log);
    }

    int port() {
        return port;
    }

    String path() {
        return System.getProperty("bench.peer-path", "/webhooks");
    }

    @Override
    public void close() throws InterruptedException {
        process.destroy();
        if (!process.waitFor(PATIENCE_SECONDS, TimeUnit.SECONDS)) {
            process.destroyForcibly();
        }
    }
}
