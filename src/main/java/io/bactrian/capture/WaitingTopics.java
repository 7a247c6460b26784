package io.bactrian.capture;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.apache.kafka.common.KafkaException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The topics that take no changes at present, because they are not there, or do not answer. The changes of their tables wait in the outbox, and nothing else
 * does: each topic is tried again by itself, beside the drain, until it takes them.
 */
final class WaitingTopics {

    private static final Logger LOG = LoggerFactory.getLogger(WaitingTopics.class);
    private static final Duration PAUSE = Duration.ofSeconds(2);

    private final Map<String, Wait> waits = new ConcurrentHashMap<>();
    private final Topics topics;
    private final Outbox outbox;
    private final ScheduledExecutorService executor;
    private final Runnable wake;

    /** held: not to be claimed. publication: what Kafka may still take; null when there is none. reason: null until one is known. */
    private static final class Wait {
        private volatile boolean held;
        private volatile Publication publication;
        private volatile String reason;
    }

    /** @param wake lets the drain look into the outbox */
    WaitingTopics(Topics topics, Outbox outbox, ScheduledExecutorService executor, Runnable wake) {
        this.topics = topics;
        this.outbox = outbox;
        this.executor = executor;
        this.wake = wake;
    }

    /** The tables whose changes are not to be claimed. */
    Set<String> held() {
        return waits.entrySet().stream().filter(wait -> wait.getValue().held).map(Map.Entry::getKey).collect(Collectors.toSet());
    }

    /** Which tables wait and why, one sentence each. */
    List<String> sentences() {
        return waits.entrySet().stream().filter(wait -> wait.getValue().reason != null).map(wait -> sentence(wait.getKey(), wait.getValue())).sorted().toList();
    }

    private static String sentence(String entity, Wait wait) {
        return "changes of " + entity + " wait, because the topic " + Topics.of(entity) + " " + wait.reason;
    }

    /** The topic of a table is not known to be there: it is made, if it can be. */
    void make(String entity) {
        var wait = keep(entity, null);
        executor.execute(() -> mend(entity, wait));
    }

    /** Not all of a publication has been taken, or not yet. */
    void hold(String entity, Publication publication) {
        var wait = keep(entity, publication);
        tell(entity, wait, "does not take them: ", publication.failure());
        executor.schedule(() -> mend(entity, wait), PAUSE.toMillis(), TimeUnit.MILLISECONDS);
    }

    private Wait keep(String entity, Publication publication) {
        var wait = waits.computeIfAbsent(entity, any -> new Wait());
        wait.publication = publication;
        wait.held = true;
        return wait;
    }

    /** The topic of a table has taken all that there was for it. */
    void flows(String entity) {
        var wait = waits.remove(entity);
        if (wait != null && wait.reason != null) {
            LOG.info("changes of {} go on", entity);
        }
    }

    /** Nothing was found in the outbox but what is held. */
    void nothingElse() {
        waits.values().removeIf(wait -> !wait.held);
    }

    private void mend(String entity, Wait wait) {
        try {
            if (wait.publication != null && wait.publication.isOver()) {
                var over = wait.publication;
                outbox.acknowledge(over.await(System.nanoTime()));
                wait.publication = null;
                if (over.failure() == null) {
                    flows(entity);
                    wake.run();
                    return;
                }
                tell(entity, wait, "does not take them: ", over.failure());
            }
            topics.make(entity);
            if (wait.publication == null) {
                wait.held = false;
                wake.run();
                return;
            }
        } catch (KafkaException e) {
            tell(entity, wait, "cannot be made: ", e);
        } catch (RuntimeException e) {
            LOG.debug("Postgres is away: what was taken is acknowledged later", e);
        }
        executor.schedule(() -> mend(entity, wait), PAUSE.toMillis(), TimeUnit.MILLISECONDS);
    }

    private static void tell(String entity, Wait wait, String what, Exception failure) {
        var isNew = wait.reason == null;
        wait.reason = what + (failure == null || failure.getMessage() == null ? "no answer" : failure.getMessage().strip().lines().findFirst().orElse(""));
        if (isNew) {
            LOG.warn("{}", sentence(entity, wait));
        }
    }
}
