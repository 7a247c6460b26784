package io.bactrian.sync;

import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashMap;
import java.util.Map;
import java.util.Properties;
import org.apache.camel.component.kafka.DefaultKafkaClientFactory;
import org.apache.camel.component.kafka.consumer.CommitManager;
import org.apache.camel.component.kafka.consumer.KafkaManualCommit;
import org.apache.camel.component.kafka.consumer.KafkaManualCommitFactory;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;

/**
 * A consumer that reads ahead of what is done. Its messages may be done in any order and by any thread; its offsets move only past those that are, before each
 * poll. It reads no further while too many wait.
 *
 * <p>What it fetched and has not committed when it ends, or when a partition moves to another consumer, is read again there.
 */
final class ChangesConsumer extends KafkaConsumer<Object, Object> {

    private static final int LIMIT = 10_000;
    private static final Duration LAST_COMMIT = Duration.ofSeconds(2);

    private final Map<TopicPartition, Deque<Place>> partitions = new HashMap<>();
    private final Map<TopicPartition, OffsetAndMetadata> toCommit = new HashMap<>();
    private final Map<TopicPartition, OffsetAndMetadata> newest = new HashMap<>(); // that was done
    private int waiting;
    private boolean full;

    private ChangesConsumer(Properties properties) {
        super(properties);
    }

    /** For the option {@code kafkaClientFactory}. */
    public static final class Factory extends DefaultKafkaClientFactory {

        @Override
        public Consumer<Object, Object> getConsumer(Properties properties) {
            return new ChangesConsumer(properties);
        }
    }

    /** For the option {@code kafkaManualCommitFactory}, beside {@link Factory}. */
    public static final class Commits implements KafkaManualCommitFactory {

        @Override
        public KafkaManualCommit newInstance(CamelExchangePayload exchange, KafkaRecordPayload message, CommitManager manager) {
            return ((ChangesConsumer) exchange.consumer).place(message.partition, message.recordOffset);
        }
    }

    /** A message, as the header {@code CamelKafkaManualCommit}. */
    private static final class Place implements KafkaManualCommit {

        private final long offset;
        private volatile boolean done;

        private Place(long offset) {
            this.offset = offset;
        }

        /** This message is done: it is committed as soon as those before it are. */
        @Override
        public void commit() {
            done = true;
        }
    }

    private Place place(TopicPartition partition, long offset) {
        var place = new Place(offset);
        var places = partitions.computeIfAbsent(partition, key -> new ArrayDeque<>());
        if (!places.isEmpty() && places.peekLast().offset >= offset) { // it is read again
            waiting -= places.size();
            places.clear();
        }
        places.add(place);
        waiting++;
        return place;
    }

    @Override
    public ConsumerRecords<Object, Object> poll(Duration timeout) {
        gather();
        if (!toCommit.isEmpty()) {
            var offsets = Map.copyOf(toCommit);
            toCommit.clear();
            commitAsync(offsets, (committed, failure) -> {
                if (failure != null) {
                    offsets.forEach((partition, offset) -> {
                        if (offset.equals(newest.get(partition))) { // else another commit has overtaken this one
                            toCommit.put(partition, offset);
                        }
                    });
                }
            });
        }
        if (waiting > LIMIT) {
            full = true;
            pause(assignment()); // each time: partitions may be new
        } else if (full) {
            full = false;
            resume(assignment());
        }
        return super.poll(timeout);
    }

    /** Camel's consumer calls it before it closes. */
    @Override
    public void unsubscribe() {
        try {
            gather();
            if (!toCommit.isEmpty()) {
                commitSync(Map.copyOf(toCommit), LAST_COMMIT);
            }
        } finally {
            super.unsubscribe();
        }
    }

    /** Takes what is done, with nothing before it that is not, out of those that wait. */
    private void gather() {
        var assigned = assignment();
        toCommit.keySet().retainAll(assigned);
        newest.keySet().retainAll(assigned);
        partitions.keySet().removeIf(partition -> {
            if (!assigned.contains(partition)) {
                waiting -= partitions.get(partition).size();
                return true;
            }
            return false;
        });
        partitions.forEach((partition, places) -> {
            while (!places.isEmpty() && places.peek().done) {
                var done = new OffsetAndMetadata(places.poll().offset + 1);
                toCommit.put(partition, done);
                newest.put(partition, done);
                waiting--;
            }
        });
    }
}
