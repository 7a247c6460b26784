package io.bactrian.sandbox;

import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import kafka.server.KafkaConfig;
import kafka.server.KafkaRaftServer;
import org.apache.kafka.common.utils.Time;
import org.apache.kafka.metadata.storage.Formatter;
import org.apache.kafka.server.common.MetadataVersion;

/**
 * A Kafka broker of our own, inside this JVM, on 127.0.0.1: broker and controller in one, without ZooKeeper, small and quick to start.
 * It creates no topic by itself. Its data outlive it, also when the JVM is killed.
 */
public final class SandboxKafka implements AutoCloseable {

    public static final String HOST = "127.0.0.1";

    private static final String CLUSTER = "YmFjdHJpYW5zYW5kYm94MA";

    private final Path directory;
    private final Map<String, String> encryption;
    private final boolean temporary;
    private final int port;
    private KafkaRaftServer broker;

    private SandboxKafka(Path directory, boolean temporary, int port, Map<String, String> encryption) throws IOException {
        this.encryption = encryption;
        this.directory = directory;
        this.temporary = temporary;
        this.port = port;
        Files.createDirectories(directory);
        if (!Ports.isFree(port)) {
            throw new PortTakenException(port);
        }
        format();
        start();
    }

    /**
     * Starts a broker, or starts it again, and returns when it takes connections.
     *
     * @param directory where its data are kept, created when absent
     * @param port the port to listen on, 0 for a free one
     * @throws IOException when it cannot be started: the port is taken, the directory cannot be written, …
     */
    public static SandboxKafka start(Path directory, int port) throws IOException {
        return new SandboxKafka(directory.toAbsolutePath().normalize(), false, port == 0 ? Ports.free() : port, Map.of());
    }

    /** Starts a broker on a free port whose data are deleted when it is closed. */
    public static SandboxKafka startTemporary() throws IOException {
        return new SandboxKafka(Temporary.directory("kafka"), true, Ports.free(), Map.of());
    }

    /** As {@link #startTemporary()}, for clients that speak TLS only; its key, and whom it trusts, itself above all, are in PKCS12 files. */
    public static SandboxKafka startEncrypted(Path keyStore, Path trustStore, String password) throws IOException {
        return new SandboxKafka(Temporary.directory("kafka"), true, Ports.free(), Map.of(
                "listener.security.protocol.map", "PLAINTEXT:SSL,CONTROLLER:PLAINTEXT",
                "ssl.keystore.location", keyStore.toString(),
                "ssl.keystore.password", password,
                "ssl.keystore.type", "PKCS12",
                "ssl.truststore.location", trustStore.toString(),
                "ssl.truststore.password", password,
                "ssl.truststore.type", "PKCS12"));
    }

    /** The broker's address as clients take it: host:port. */
    public String bootstrap() {
        return HOST + ":" + port;
    }

    public int port() {
        return port;
    }

    /** Stops the broker; clients are cut off. */
    public void stop() {
        broker.shutdown();
        broker.awaitShutdown();
    }

    /** Starts the stopped broker again on the same port and data, and returns when it takes connections. */
    public void start() {
        broker = new KafkaRaftServer(new KafkaConfig(settings(Ports.free())), Time.SYSTEM);
        broker.startup();
    }

    /** Stops the broker and starts it again on the same port and data. */
    public void restart() {
        stop();
        start();
    }

    /** Stops the broker. */
    @Override
    public void close() throws IOException {
        stop();
        if (temporary) {
            Temporary.delete(directory);
        }
    }

    private void format() throws IOException {
        try {
            new Formatter()
                    .setClusterId(CLUSTER)
                    .setNodeId(1)
                    .addDirectory(directory.toString())
                    .setMetadataLogDirectory(directory.toString())
                    .setControllerListenerName("CONTROLLER")
                    .setReleaseVersion(MetadataVersion.LATEST_PRODUCTION)
                    .setIgnoreFormatted(true)
                    .setPrintStream(new PrintStream(OutputStream.nullOutputStream(), false, StandardCharsets.UTF_8))
                    .run();
        } catch (Exception e) {
            throw new IOException("the directory " + directory + " cannot be prepared for Kafka: " + e.getMessage(), e);
        }
    }

    private Map<String, String> settings(int controllerPort) {
        var settings = new HashMap<>(unencrypted(controllerPort));
        settings.putAll(encryption);
        return settings;
    }

    private Map<String, String> unencrypted(int controllerPort) {
        return Map.ofEntries(
                Map.entry("process.roles", "broker,controller"),
                Map.entry("node.id", "1"),
                Map.entry("controller.quorum.voters", "1@" + HOST + ":" + controllerPort),
                Map.entry("controller.listener.names", "CONTROLLER"),
                Map.entry("listeners", "PLAINTEXT://" + bootstrap() + ",CONTROLLER://" + HOST + ":" + controllerPort),
                Map.entry("listener.security.protocol.map", "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT"),
                Map.entry("log.dirs", directory.toString()),

                // One broker: no copies. Large rows (a description of 1 MB, before and after) pass.
                Map.entry("auto.create.topics.enable", "false"),
                Map.entry("default.replication.factor", "1"),
                Map.entry("offsets.topic.replication.factor", "1"),
                Map.entry("offsets.topic.num.partitions", "4"),
                Map.entry("transaction.state.log.replication.factor", "1"),
                Map.entry("transaction.state.log.min.isr", "1"),
                Map.entry("transaction.state.log.num.partitions", "2"),
                Map.entry("message.max.bytes", "16777216"),

                // Quick: a group starts with its first member, and a killed member is missed soon.
                Map.entry("group.initial.rebalance.delay.ms", "300"),
                Map.entry("group.min.session.timeout.ms", "1000"),
                Map.entry("metadata.max.idle.interval.ms", "0"),

                // Small.
                Map.entry("num.network.threads", "2"),
                Map.entry("num.io.threads", "2"),
                Map.entry("background.threads", "2"),
                Map.entry("group.coordinator.threads", "1"),
                Map.entry("log.segment.bytes", "67108864"),
                Map.entry("log.index.size.max.bytes", "1048576"),
                Map.entry("log.cleaner.dedupe.buffer.size", "4194304"),
                Map.entry("metadata.log.segment.bytes", "8388608"));
    }
}
