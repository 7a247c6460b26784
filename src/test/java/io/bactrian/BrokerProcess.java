package io.bactrian;

import static org.awaitility.Awaitility.await;

import io.bactrian.sandbox.SandboxKafka;
import java.io.IOException;
import java.net.ConnectException;
import java.net.Socket;
import java.nio.file.Path;
import java.time.Duration;

/** A Kafka broker in a process of its own, so that it can be killed. It ends with whoever started it. */
final class BrokerProcess implements AutoCloseable {

    private final Path directory;
    private final int port;
    private ChildProcess process;

    /** Starts one; it takes connections when it is ready. */
    BrokerProcess(Path directory, int port) throws IOException {
        this.directory = directory;
        this.port = port;
        start();
    }

    /** Starts it, or starts it again on the same port and data. */
    void start() throws IOException {
        process = ChildProcess.test(BrokerProcess.class, directory, directory.resolve("kafka").toString(), Integer.toString(port));
    }

    /** Waits until it takes connections, which on a slow machine may be long after its start. */
    void awaitReady() {
        await().atMost(Duration.ofMinutes(2)).until(() -> {
            try (var socket = new Socket(SandboxKafka.HOST, port)) {
                return socket.isConnected();
            } catch (ConnectException e) {
                return false;
            }
        });
    }

    /** Kills it. */
    void kill() {
        process.close();
    }

    /** Its address as clients take it: host:port. */
    String bootstrap() {
        return SandboxKafka.HOST + ":" + port;
    }

    @Override
    public void close() {
        kill();
    }

    /** Runs in the process: the directory and the port. */
    public static void main(String[] args) throws IOException {
        SandboxKafka.start(Path.of(args[0]), Integer.parseInt(args[1]));
        System.in.read(); // there is an end of the input when the parent has come to its own
        Runtime.getRuntime().halt(0);
    }
}
