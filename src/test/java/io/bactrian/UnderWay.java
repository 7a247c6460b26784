package io.bactrian;

import static org.awaitility.Awaitility.await;

import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.stream.Collectors;
import javax.sql.DataSource;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.common.TopicPartition;

/** What a running Bactrian still has to do, seen from outside. */
public final class UnderWay implements AutoCloseable {

    private static final Duration PATIENCE = Duration.ofMinutes(2);
    private static final String TOPIC = "changes.customers";
    private static final String GROUP = "bactrian.stripe.customers";

    private final DataSource hub;
    private final Admin kafka;
    private final Callable<Boolean> webhooksIdle;

    /** @param kafka host:port */
    public UnderWay(DataSource hub, String kafka, Callable<Boolean> webhooksIdle) {
        this.hub = hub;
        this.kafka = Admin.create(Map.of("bootstrap.servers", kafka));
        this.webhooksIdle = webhooksIdle;
    }

    /** Waits until there is nothing, for two minutes at most. */
    public void awaitNothing() {
        awaitNothing(PATIENCE);
    }

    /** Waits until there is nothing. */
    public void awaitNothing(Duration patience) {
        // What leaves one place may not yet be in the next when that is looked at: so for a while.
        await().atMost(patience).during(Duration.ofMillis(500)).until(this::all, Map::isEmpty);
    }

    /** Waits until every change has been looked at, even if it could not be sent. */
    public void awaitIdleConsumers() {
        await().atMost(PATIENCE).during(Duration.ofMillis(500)).until(() -> lag() == 0 && count("sync.outbox") == 0 && count("sync.link where lease_until is not null") == 0);
    }

    private Map<String, Long> all() throws Exception {
        var all = new TreeMap<String, Long>();
        all.put("webhooks", webhooksIdle.call() ? 0L : 1L);
        all.put("messages", lag());
        all.put("changes", count("sync.outbox"));
        all.put("records in work", count("sync.link where lease_until is not null or in_flight_op is not null or look_at is not null or parked_at is not null"));
        all.put("retries", count("sync.failure where next_attempt_at is not null"));
        all.values().removeIf(number -> number == 0);
        return all;
    }

    private long count(String tableAndCondition) throws SQLException {
        try (var connection = hub.getConnection();
                var statement = connection.createStatement();
                var rows = statement.executeQuery("select count(*) from " + tableAndCondition)) {
            rows.next();
            return rows.getLong(1);
        }
    }

    private long lag() throws InterruptedException, ExecutionException {
        var done = kafka.listConsumerGroupOffsets(GROUP).partitionsToOffsetAndMetadata().get();
        var partitions = kafka.describeTopics(List.of(TOPIC)).allTopicNames().get().get(TOPIC).partitions().stream()
                .map(partition -> new TopicPartition(TOPIC, partition.partition()))
                .collect(Collectors.toMap(partition -> partition, partition -> OffsetSpec.latest()));
        return kafka.listOffsets(partitions).all().get().entrySet().stream()
                .mapToLong(end -> end.getValue().offset() - (done.get(end.getKey()) == null ? 0 : done.get(end.getKey()).offset()))
                .sum();
    }

    @Override
    public void close() {
        kafka.close();
    }
}
