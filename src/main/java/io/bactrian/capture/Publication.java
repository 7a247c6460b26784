package io.bactrian.capture;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.KafkaException;

/** Changes of one table that are handed to Kafka together. It is used by one thread at a time. */
final class Publication {

    private final List<Long> ids = new ArrayList<>();
    private final List<Future<RecordMetadata>> answers = new ArrayList<>();
    private int taken;
    private Exception failure;

    /** Hands on one more, unless one before it has failed already. */
    void send(Producer<String, String> kafka, Change change) {
        if (failure != null) {
            return;
        }
        try {
            var answer = kafka.send(change.message());
            ids.add(change.id());
            answers.add(answer);
            if (answer.isDone()) {
                has(answer, 0); // refused at once: the next ones would be, too
            }
        } catch (KafkaException e) {
            failure = e;
        }
    }

    /**
     * Waits for Kafka until then, by {@link System#nanoTime}.
     *
     * @return the ids of those that Kafka has, up to the first that it has not: from there on all are published again, in their order
     */
    List<Long> await(long until) {
        while (taken < ids.size() && has(answers.get(taken), until - System.nanoTime())) {
            taken++;
        }
        return ids.subList(0, taken);
    }

    private boolean has(Future<RecordMetadata> answer, long nanos) {
        try {
            answer.get(Math.max(0, nanos), TimeUnit.NANOSECONDS);
            return true;
        } catch (TimeoutException e) {
            return false;
        } catch (ExecutionException e) {
            failure = e.getCause() instanceof Exception cause ? cause : e;
            return false;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return false;
        }
    }

    /** Whether Kafka has all, as far as that was waited for. */
    boolean isTaken() {
        return failure == null && taken == ids.size();
    }

    /** Whether Kafka has said of all what became of them. */
    boolean isOver() {
        return answers.stream().allMatch(Future::isDone);
    }

    /** Why not all were published; null while nobody knows, or when they were. */
    Exception failure() {
        return failure;
    }
}
