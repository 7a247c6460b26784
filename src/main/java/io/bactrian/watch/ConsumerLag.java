package io.bactrian.watch;

import io.bactrian.Topics;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ExecutionException;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.camel.CamelContext;
import org.apache.camel.CamelContextAware;
import org.apache.camel.Route;
import org.apache.camel.component.kafka.KafkaEndpoint;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.common.TopicPartition;

/**
 * How many messages each group of consumers has before it. It asks the broker, as the consumers' own metrics end with the consumers that
 * hang or die.
 */
public final class ConsumerLag implements CamelContextAware {

    private Topics topics;
    private CamelContext camel;

    /**
     * Asks about every group that a route of this instance belongs to, whether that route runs or not.
     *
     * @throws ExecutionException when the broker is away or refuses
     */
    public List<Lag> read() throws ExecutionException, InterruptedException {
        var lags = new ArrayList<Lag>();
        try (var admin = topics.admin()) {
            for (var group : groups().entrySet()) {
                lags.addAll(read(admin, group.getKey(), group.getValue()));
            }
        }
        return lags;
    }

    private static List<Lag> read(Admin admin, String group, String topic) throws ExecutionException, InterruptedException {
        int count = admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions().size();
        var partitions = IntStream.range(0, count).mapToObj(number -> new TopicPartition(topic, number)).toList();
        var done = admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get();
        var last = offsets(admin, partitions, OffsetSpec.latest());
        var first = offsets(admin, partitions.stream().filter(partition -> done.get(partition) == null).toList(), OffsetSpec.earliest());
        return partitions.stream().map(partition -> {
            long next = done.get(partition) == null ? first.get(partition) : done.get(partition).offset();
            return new Lag(group, topic, partition.partition(), next, Math.max(0, last.get(partition) - next));
        }).toList();
    }

    private static Map<TopicPartition, Long> offsets(Admin admin, List<TopicPartition> partitions, OffsetSpec which)
            throws ExecutionException, InterruptedException {
        return admin.listOffsets(partitions.stream().collect(Collectors.toMap(Function.identity(), partition -> which))).all().get()
                .entrySet().stream().collect(Collectors.toMap(Map.Entry::getKey, entry -> entry.getValue().offset()));
    }

    /** The groups, and the topic that each reads. */
    private Map<String, String> groups() {
        return camel.getRoutes().stream().map(Route::getEndpoint)
                .filter(KafkaEndpoint.class::isInstance).map(endpoint -> ((KafkaEndpoint) endpoint).getConfiguration())
                .collect(Collectors.toMap(kafka -> kafka.getGroupId(), kafka -> kafka.getTopic(), (one, other) -> one, TreeMap::new));
    }

    /** What connects to the brokers. */
    public void setTopics(Topics topics) {
        this.topics = topics;
    }

    @Override
    public CamelContext getCamelContext() {
        return camel;
    }

    @Override
    public void setCamelContext(CamelContext camelContext) {
        camel = camelContext;
    }
}
