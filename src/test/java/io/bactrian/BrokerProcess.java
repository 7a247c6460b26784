package io.bactrian;

import io.bactrian.sandbox.SandboxKafka;
import java.io.IOException;
import java.nio.file.Path;

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
