package io.bactrian.watch;

import io.bactrian.capture.Topics;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ExecutionException;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.apache.camel.CamelContext;
import org.apache.camel.CamelContextAware;
import org.apache.camel.Route;
import org.apache.camel.component.kafka.KafkaEndpoint;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ListConsumerGroupOffsetsSpec;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;

/**
 * How many messages each group of consumers has before it. It asks the broker, as the consumers' own metrics end with the consumers that
 * hang or die.
 */
public final class ConsumerLag implements CamelContextAware {

    private Topics topics;
    private CamelContext camel;

    /**
     * What the brokers say.
     *
     * @param lags of the topics that can be read
     * @param unread the other ones
     */
    public record Answer(List<Lag> lags, List<Unread> unread) {
    }

    /**
     * Asks about every group that a route of this instance belongs to, whether that route runs or not, and about each topic by itself.
     *
     * @throws ExecutionException when the brokers are away or refuse whatever is asked
     */
    public Answer read() throws ExecutionException, InterruptedException {
        var answer = new Answer(new ArrayList<>(), new ArrayList<>());
        ExecutionException failure = null;
        try (var admin = topics.admin()) {
            var groups = groups();
            var descriptions = admin.describeTopics(Set.copyOf(groups.values())).topicNameValues();
            var places = admin.listConsumerGroupOffsets(groups.keySet().stream().collect(Collectors.toMap(Function.identity(), group -> new ListConsumerGroupOffsetsSpec())));
            for (var group : groups.entrySet()) {
                try {
                    answer.lags.addAll(read(admin, group.getKey(), descriptions.get(group.getValue()).get(), places.partitionsToOffsetAndMetadata(group.getKey()).get()));
                } catch (ExecutionException e) {
                    answer.unread.add(new Unread(group.getKey(), group.getValue(), e.getCause() instanceof UnknownTopicOrPartitionException ? null : Causes.root(e)));
                    failure = e;
                }
            }
        }
        if (failure != null && answer.lags.isEmpty() && answer.unread.stream().noneMatch(Unread::isMissing)) {
            throw failure;
        }
        return answer;
    }

    private static List<Lag> read(Admin admin, String group, TopicDescription topic, Map<TopicPartition, OffsetAndMetadata> done)
            throws ExecutionException, InterruptedException {
        var partitions = topic.partitions().stream().map(partition -> new TopicPartition(topic.name(), partition.partition())).toList();
        var last = offsets(admin, partitions, OffsetSpec.latest());
        var first = offsets(admin, partitions.stream().filter(partition -> done.get(partition) == null).toList(), OffsetSpec.earliest());
        return partitions.stream().map(partition -> {
            long next = done.get(partition) == null ? first.get(partition) : done.get(partition).offset();
            return new Lag(group, topic.name(), partition.partition(), next, Math.max(0, last.get(partition) - next));
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
