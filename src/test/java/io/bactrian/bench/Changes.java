package io.bactrian.bench;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.StringDeserializer;

/** Reads the changes of customers out of Kafka, beginning with those that come after it was made. For one thread. */
final class Changes implements AutoCloseable {

    private static final List<TopicPartition> PARTITIONS =
            IntStream.range(0, 6).mapToObj(partition -> new TopicPartition("changes.customers", partition)).toList();

    private final KafkaConsumer<String, byte[]> consumer;

    Changes(Servers servers) {
        consumer = new KafkaConsumer<>(Map.of(
                ConsumerConfig.BOOTSTRAP_SERVERS_CONFIG, servers.kafka.bootstrap(),
                ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "latest"), new StringDeserializer(), new ByteArrayDeserializer());
        consumer.assign(PARTITIONS);
        consumer.seekToEnd(PARTITIONS);
        PARTITIONS.forEach(consumer::position);
    }

    /** The next ones, waiting a little for them. */
    Iterable<ConsumerRecord<String, byte[]>> poll() {
        return consumer.poll(Duration.ofMillis(100));
    }

    /** How many changes the topic has had in all. */
    long total() {
        return consumer.endOffsets(PARTITIONS).values().stream().mapToLong(Long::longValue).sum();
    }

    @Override
    public void close() {
        consumer.close();
    }
}
