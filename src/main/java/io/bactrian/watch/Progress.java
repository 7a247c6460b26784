package io.bactrian.watch;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentSkipListMap;
import org.apache.camel.health.HealthCheckResultBuilder;
import org.apache.camel.impl.health.AbstractHealthCheck;

/**
 * {@code bactrian-progress}: DOWN when work waits and nothing moves, a table cannot be seen, or a mass delete waits for a person, with the reason in plain words. What a person paused, and what a system
 * that does not answer keeps waiting, is no reason; it is said in the details. It is a part of {@code /observe/health} only: neither a
 * restart nor another instance in front would help.
 */
final class Progress extends AbstractHealthCheck {

    private final Stalls stalls;
    private volatile Duration stalledAfter = Duration.ofMinutes(2);
    private final Map<String, List<String>> notes = new ConcurrentSkipListMap<>();
    private volatile List<String> alarms = List.of();
    private volatile long kafkaAwaySince;
    private volatile String kafkaReason;

    Progress(Stalls stalls) {
        super("bactrian", "bactrian-progress");
        this.stalls = stalls;
    }

    void stalledAfter(Duration time) {
        stalledAfter = time;
    }

    /**
     * What does not work, but is no standstill: pauses, open circuits, topics that are not there; one sentence each.
     *
     * @param source who says so: what it said before is forgotten
     */
    void notes(String source, List<String> sentences) {
        notes.put(source, sentences);
    }

    /** Tables that cannot be synced, and mass deletes that wait, one sentence each. */
    void alarms(List<String> sentences) {
        alarms = sentences;
    }

    void kafkaAnswered() {
        kafkaReason = null;
    }

    void kafkaFailed(Exception exception) {
        if (kafkaReason == null) {
            kafkaAwaySince = System.nanoTime();
        }
        kafkaReason = Causes.root(exception);
    }

    @Override
    public boolean isLiveness() {
        return false;
    }

    @Override
    public boolean isReadiness() {
        return false;
    }

    @Override
    protected void doCall(HealthCheckResultBuilder builder, Map<String, Object> options) {
        var reasons = new ArrayList<String>();
        stalls.all().stream().filter(stall -> stall.seconds() >= stalledAfter.toSeconds())
                .map(stall -> stall.work().standsStill(stall.seconds())).sorted().forEach(reasons::add);
        var kafka = kafkaReason;
        if (kafka != null && System.nanoTime() - kafkaAwaySince >= stalledAfter.toNanos()) {
            reasons.add("Kafka (kafka.brokers) does not answer: " + kafka);
        }
        reasons.addAll(alarms);
        var standsStill = !reasons.isEmpty();
        notes.values().forEach(reasons::addAll);
        builder.state(standsStill ? State.DOWN : State.UP);
        if (!reasons.isEmpty()) {
            builder.message(String.join("; ", reasons));
        }
    }
}
