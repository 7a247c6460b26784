package io.bactrian.sandbox;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SandboxKafkaTest {

    @TempDir
    Path directory;

    @Test
    void keeps_its_data_and_creates_no_topic_by_itself() throws Exception {
        try (var kafka = SandboxKafka.start(directory, 0)) {
            try (var admin = Admin.create(Map.of("bootstrap.servers", kafka.bootstrap()))) {
                admin.createTopics(List.of(new NewTopic("kept", Optional.of(1), Optional.empty()))).all().get();
            }
            send(kafka, "kept", "first");
            kafka.restart();
            send(kafka, "kept", "second");
        }
        try (var kafka = SandboxKafka.start(directory, 0)) {
            assertEquals(List.of("first", "second"), read(kafka, "kept", 2));
            try (var admin = Admin.create(Map.of("bootstrap.servers", kafka.bootstrap()))) {
                assertEquals(Set.of("kept"), admin.listTopics().names().get());
            }
        }
    }

    private static void send(SandboxKafka kafka, String topic, String value) throws Exception {
        var settings = Map.<String, Object>of("bootstrap.servers", kafka.bootstrap(), "acks", "all");
        try (var producer = new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer())) {
            producer.send(new ProducerRecord<>(topic, value)).get();
        }
    }

    private static List<String> read(SandboxKafka kafka, String topic, int count) {
        var settings = Map.<String, Object>of(
                "bootstrap.servers", kafka.bootstrap(), "group.id", "reader", "auto.offset.reset", "earliest");
        try (var consumer = new KafkaConsumer<>(settings, new StringDeserializer(), new StringDeserializer())) {
            consumer.subscribe(List.of(topic));
            var values = new java.util.ArrayList<String>();
            while (values.size() < count) {
                consumer.poll(Duration.ofSeconds(1)).forEach(found -> values.add(found.value()));
            }
            return values;
        }
    }
}
