package io.bactrian.routes;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.bactrian.sandbox.SandboxKafka;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;

/** Everything that a topic holds, read as it comes. */
final class Topic implements AutoCloseable {

    private static final ObjectMapper JSON = new ObjectMapper();

    private final KafkaConsumer<String, String> consumer;
    private final List<ConsumerRecord<String, String>> records = new ArrayList<>();

    /** A topic that exists. */
    Topic(SandboxKafka kafka, String name) {
        consumer = new KafkaConsumer<>(
                Map.of("bootstrap.servers", kafka.bootstrap(), "max.partition.fetch.bytes", "20000000"), new StringDeserializer(), new StringDeserializer());
        var partitions = consumer.partitionsFor(name).stream().map(partition -> new TopicPartition(name, partition.partition())).toList();
        consumer.assign(partitions);
        consumer.seekToBeginning(partitions);
    }

    /** The messages with that key so far, oldest first. */
    List<ConsumerRecord<String, String>> of(Object key) {
        consumer.poll(Duration.ofMillis(50)).forEach(records::add);
        return records.stream().filter(record -> key.toString().equals(record.key())).toList();
    }

    static JsonNode json(ConsumerRecord<String, String> record) {
        try {
            return JSON.readTree(record.value());
        } catch (JsonProcessingException e) {
            throw new AssertionError(e);
        }
    }

    /** The value of a header; null without it. */
    static String header(ConsumerRecord<String, String> record, String name) {
        var header = record.headers().lastHeader(name);
        return header == null ? null : new String(header.value(), StandardCharsets.UTF_8);
    }

    @Override
    public void close() {
        consumer.close();
    }
}
