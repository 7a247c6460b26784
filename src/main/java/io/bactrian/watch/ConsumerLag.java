package io.bactrian.watch;

import io.bactrian.capture.Topics;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.concurrent.ExecutionException;
import java.util.function.Function;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.apache.camel.CamelContext;
import org.apache.camel.CamelContextAware;
import org.apache.camel.Route;
import org.apache.camel.component.kafka.KafkaConfiguration;
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

    private record Reading(String group, String topic) {
    }

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
            var readings = readings(admin);
            if (readings.isEmpty()) {
                return answer;
            }
            var descriptions = admin.describeTopics(readings.stream().map(Reading::topic).collect(Collectors.toSet())).topicNameValues();
            var places = admin.listConsumerGroupOffsets(readings.stream().map(Reading::group).distinct()
                    .collect(Collectors.toMap(Function.identity(), group -> new ListConsumerGroupOffsetsSpec())));
            for (var one : readings) {
                try {
                    answer.lags.addAll(read(admin, one.group, descriptions.get(one.topic).get(), places.partitionsToOffsetAndMetadata(one.group).get()));
                } catch (ExecutionException e) {
                    answer.unread.add(new Unread(one.group, one.topic, e.getCause() instanceof UnknownTopicOrPartitionException ? null : Causes.root(e)));
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

    /** Who reads what. A route without a group has a new one at each start, which nobody is behind in; a pattern is what there is of it. */
    private List<Reading> readings(Admin admin) throws ExecutionException, InterruptedException {
        var readings = new TreeSet<>(Comparator.comparing(Reading::group).thenComparing(Reading::topic));
        for (var kafka : camel.getRoutes().stream().map(Route::getEndpoint).filter(KafkaEndpoint.class::isInstance).map(one -> ((KafkaEndpoint) one).getConfiguration()).toList()) {
            if (kafka.getGroupId() != null) {
                topics(admin, kafka).forEach(topic -> readings.add(new Reading(kafka.getGroupId(), topic)));
            }
        }
        return List.copyOf(readings);
    }

    private static List<String> topics(Admin admin, KafkaConfiguration kafka) throws ExecutionException, InterruptedException {
        if (!kafka.isTopicIsPattern()) {
            return List.of(kafka.getTopic().split(","));
        }
        var pattern = Pattern.compile(kafka.getTopic()).asMatchPredicate();
        return admin.listTopics().names().get().stream().filter(pattern).toList();
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
