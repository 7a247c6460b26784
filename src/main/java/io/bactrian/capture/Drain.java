package io.bactrian.capture;

import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import javax.sql.DataSource;
import org.apache.camel.CamelContext;
import org.apache.camel.CamelContextAware;
import org.apache.kafka.clients.producer.Producer;

/**
 * Moves captured changes from the outbox to Kafka, in their order, and removes what Kafka has acknowledged: one claim, one publication and one
 * acknowledgement a batch, and no exchange per change. A batch costs little more than a change, so it lets changes gather, more of them when there are many.
 *
 * <p>A topic that does not take its changes holds up nothing else: see {@link WaitingTopics}.
 */
public final class Drain implements CamelContextAware {

    /** How long the drain waits for Kafka; an answer that takes longer is waited for beside it. */
    private static final Duration PATIENCE = Duration.ofSeconds(5);

    private static final String WAKE = "seda:capture?size=1&discardWhenFull=true";

    private CamelContext camel;
    private DataSource dataSource;
    private Topics topics;
    private int batchRows;
    private int busyRows;
    private long pauseMillis;
    private long busyPauseMillis;
    private volatile Machinery machinery;

    /** What can only be had once the application starts. */
    private record Machinery(Outbox outbox, WaitingTopics waiting, Producer<String, String> kafka) {
    }

    /**
     * Runs until the outbox is empty, but for what waits for its topic, or somebody else drains it; to be called by one thread at a time.
     *
     * @throws org.springframework.dao.DataAccessException when Postgres is away: nothing is lost, and it may be called again
     */
    public void run() throws InterruptedException {
        boolean found = true;
        for (int round = 0; found && !camel.isStopping(); round++) {
            var waiting = machinery().waiting;
            var claim = machinery().outbox.claim(round, waiting.held());
            found = claim.found();
            int changes = claim.changes().size();
            if (changes > 0) {
                publish(claim.changes());
            } else {
                waiting.nothingElse();
            }
            if (found && changes < batchRows) {
                Thread.sleep(changes > busyRows ? busyPauseMillis : pauseMillis);
            }
        }
    }

    private void publish(List<Change> changes) {
        var publications = new LinkedHashMap<String, Publication>();
        var unknown = new LinkedHashSet<String>();
        for (var change : changes) {
            if (topics.isKnown(change.entity())) {
                publications.computeIfAbsent(change.entity(), entity -> new Publication()).send(machinery().kafka, change);
            } else {
                unknown.add(change.entity());
            }
        }
        unknown.forEach(machinery().waiting::make);
        long until = System.nanoTime() + PATIENCE.toNanos();
        machinery().outbox.acknowledge(publications.values().stream().flatMap(publication -> publication.await(until).stream()).toList());
        publications.forEach((entity, publication) -> {
            if (publication.isTaken()) {
                machinery().waiting.flows(entity);
            } else {
                machinery().waiting.hold(entity, publication);
            }
        });
    }

    /** Which tables wait for their topic and why, one sentence each. */
    public List<String> waiting() {
        return machinery == null ? List.of() : machinery.waiting.sentences();
    }

    private Machinery machinery() {
        if (machinery == null) {
            var outbox = new Outbox(dataSource, camel);
            var executor = camel.getExecutorServiceManager().newSingleThreadScheduledExecutor(this, "capture-topics");
            var routes = camel.createProducerTemplate();
            machinery = new Machinery(outbox, new WaitingTopics(topics, outbox, executor, () -> routes.sendBody(WAKE, null)), topics.producer());
        }
        return machinery;
    }

    public void setDataSource(DataSource dataSource) {
        this.dataSource = dataSource;
    }

    /** What makes topics, and writes to them. */
    public void setTopics(Topics topics) {
        this.topics = topics;
    }

    /** How many changes a batch has at most; after a full one there is no pause. */
    public void setBatchRows(int batchRows) {
        this.batchRows = batchRows;
    }

    /** After a batch of more changes than so many, the pause is the busy one. */
    public void setBusyRows(int busyRows) {
        this.busyRows = busyRows;
    }

    /** How long changes may gather, in milliseconds. */
    public void setPause(long millis) {
        pauseMillis = millis;
    }

    /** How long they may when there are many, in milliseconds. */
    public void setBusyPause(long millis) {
        busyPauseMillis = millis;
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
