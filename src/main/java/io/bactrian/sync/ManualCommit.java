package io.bactrian.sync;

import java.time.Duration;
import java.util.Map;
import org.apache.camel.component.kafka.consumer.CommitManager;
import org.apache.camel.component.kafka.consumer.KafkaManualCommit;
import org.apache.camel.component.kafka.consumer.KafkaManualCommitFactory;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;

/**
 * The place of a message, as the header {@code CamelKafkaManualCommit}: with it nothing is committed but what {@link Outbound} says. To be used by the
 * consumer's own thread only.
 */
record ManualCommit(Consumer<?, ?> consumer, TopicPartition partition, long offset, Duration patience) implements KafkaManualCommit {

    /** For the option {@code kafkaManualCommitFactory}. */
    public static final class Factory implements KafkaManualCommitFactory {

        @Override
        public KafkaManualCommit newInstance(CamelExchangePayload exchange, KafkaRecordPayload message, CommitManager manager) {
            return new ManualCommit(exchange.consumer, message.partition, message.recordOffset, Duration.ofMillis(message.commitTimeout));
        }
    }

    /** Everything up to this message is done. */
    @Override
    public void commit() {
        consumer.commitSync(Map.of(partition, new OffsetAndMetadata(offset + 1)), patience);
    }
}
