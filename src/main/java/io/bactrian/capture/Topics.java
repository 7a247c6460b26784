package io.bactrian.capture;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import org.apache.camel.CamelContext;
import org.apache.camel.CamelContextAware;
import org.apache.camel.component.kafka.KafkaComponent;
import org.apache.camel.component.kafka.KafkaConfiguration;
import org.apache.camel.support.service.ServiceSupport;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AdminClientConfig;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.serialization.StringSerializer;

/** The topics that changes go to: creates them, so that nothing depends on the broker creating them by itself, and makes the clients that need them. */
public final class Topics implements CamelContextAware {

    private static final String TIMEOUT_MILLIS = "5000";
    private static final int BATCH_BYTES = 262_144;
    private static final int MILLIS_FOR_A_TOPIC = 2000;

    private final Set<String> known = ConcurrentHashMap.newKeySet();
    private CamelContext camel;
    private int partitions;
    private short replicationFactor;
    private int maxMessageBytes;

    /** The topic of an entity's changes. */
    public static String of(String entity) {
        return "changes." + entity;
    }

    /** Whether the topic of an entity was there when somebody last asked. */
    boolean isKnown(String entity) {
        return known.contains(entity);
    }

    /**
     * Creates the topic of an entity unless it is there. Any number of instances may do so at once.
     *
     * @param entity the name of a tracked table
     * @throws KafkaException when the broker is away or refuses
     */
    public void make(String entity) {
        create(of(entity));
        known.add(entity);
    }

    /**
     * Asks the brokers for a sign of life.
     *
     * @throws KafkaException when there is none within five seconds
     */
    public void ping() {
        try (var admin = admin()) {
            await(admin.describeCluster().nodes());
        }
    }

    private void create(String topic) {
        // A negative factor asks for the broker's default: https://cwiki.apache.org/confluence/display/KAFKA/KIP-464
        var copies = replicationFactor < 0 ? Optional.<Short>empty() : Optional.of(replicationFactor);
        var wanted = new NewTopic(topic, Optional.of(partitions), copies)
                .configs(Map.of("max.message.bytes", Integer.toString(maxMessageBytes)));
        try (var admin = admin()) {
            await(admin.createTopics(List.of(wanted)).all());
        } catch (TopicExistsException e) {
            // Another instance, or an earlier run, was first.
        }
    }

    /** A client for the brokers, as the settings of Camel's kafka component say; the caller closes it. */
    public Admin admin() {
        return Admin.create(settings());
    }

    /**
     * A client that publishes what is not to be lost, and keeps the order of each key; it ends with the application. It does not wait for a topic that is not
     * there.
     */
    Producer<String, String> producer() {
        var settings = kafka().copy();
        settings.setRequestRequiredAcks("all");
        settings.setEnableIdempotence(true);
        settings.setMaxRequestSize(maxMessageBytes);
        settings.setProducerBatchSize(BATCH_BYTES);
        settings.setCompressionCodec("lz4");
        settings.setLingerMs(0);
        settings.setMaxBlockMs(MILLIS_FOR_A_TOPIC);
        var properties = settings.createProducerProperties();
        properties.put(ProducerConfig.BOOTSTRAP_SERVERS_CONFIG, brokers());
        var producer = new KafkaProducer<>(properties, new StringSerializer(), new StringSerializer());
        try {
            camel.addService(new ServiceSupport() {
                @Override
                protected void doStop() {
                    producer.close(Duration.ZERO);
                }
            });
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
        return producer;
    }

    private KafkaConfiguration kafka() {
        return camel.getComponent("kafka", KafkaComponent.class).getConfiguration();
    }

    private String brokers() {
        return camel.resolvePropertyPlaceholders("{{kafka.brokers}}");
    }

    /** What the kafka component is told, as far as an administrator's client understands it: brokers, encryption, log-in. */
    private Properties settings() {
        var all = kafka().createProducerProperties();
        var settings = new Properties();
        AdminClientConfig.configNames().stream().filter(all::containsKey).forEach(name -> settings.put(name, all.get(name)));
        settings.put(AdminClientConfig.BOOTSTRAP_SERVERS_CONFIG, brokers());
        settings.put(AdminClientConfig.REQUEST_TIMEOUT_MS_CONFIG, TIMEOUT_MILLIS);
        settings.put(AdminClientConfig.DEFAULT_API_TIMEOUT_MS_CONFIG, TIMEOUT_MILLIS);
        return settings;
    }

    private static <T> T await(org.apache.kafka.common.KafkaFuture<T> answer) {
        try {
            return answer.get();
        } catch (ExecutionException e) {
            if (e.getCause() instanceof KafkaException known) {
                throw known;
            }
            throw new KafkaException(e.getCause());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new KafkaException("interrupted while waiting for the broker", e);
        }
    }

    @Override
    public CamelContext getCamelContext() {
        return camel;
    }

    @Override
    public void setCamelContext(CamelContext camelContext) {
        camel = camelContext;
    }

    /** How many partitions a topic is created with. */
    public void setPartitions(int partitions) {
        this.partitions = partitions;
    }

    /** How many copies a topic is created with; -1: as many as the broker does by default. */
    public void setReplicationFactor(short replicationFactor) {
        this.replicationFactor = replicationFactor;
    }

    /** The size of the largest message that a topic takes, in bytes. */
    public void setMaxMessageBytes(int maxMessageBytes) {
        this.maxMessageBytes = maxMessageBytes;
    }
}
