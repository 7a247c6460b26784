package io.bactrian;

import static org.awaitility.Awaitility.await;

import com.zaxxer.hikari.HikariDataSource;
import java.sql.SQLException;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.stream.Collectors;
import javax.sql.DataSource;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ListConsumerGroupOffsetsSpec;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.common.ConsumerGroupState;
import org.apache.kafka.common.TopicPartition;

/** What a running Bactrian still has to do, seen from outside. */
public final class UnderWay implements AutoCloseable {

    private static final Duration PATIENCE = Duration.ofMinutes(2);
    private static final Duration POLL = Duration.ofMillis(20);
    /** Several looks: what goes round may have got past one of them. */
    private static final Duration QUIET = Duration.ofMillis(100);

    /** Who reads what of the tables that are synced with Stripe. */
    private static final Map<String, String> TOPIC_BY_GROUP = Map.of(
            "bactrian.stripe.customers", "changes.customers",
            "bactrian.stripe.products", "changes.products",
            "bactrian.stripe.invoices", "changes.invoices",
            "bactrian.invoice-totals.invoices", "changes.invoices",
            "bactrian.invoice-totals.invoice_items", "changes.invoice_items");

    private static final Map<String, ListConsumerGroupOffsetsSpec> ALL_OFFSETS = TOPIC_BY_GROUP.keySet().stream()
            .collect(Collectors.toMap(group -> group, group -> new ListConsumerGroupOffsetsSpec()));

    private final Map<String, List<TopicPartition>> partitions = new ConcurrentHashMap<>();
    private final HikariDataSource hub;
    private final Admin kafka;
    private final Callable<Boolean> webhooksIdle;

    /** @param kafka host:port */
    public UnderWay(DataSource hub, String kafka, Callable<Boolean> webhooksIdle) {
        this.hub = TestServices.pool(hub);
        this.kafka = Admin.create(Map.of("bootstrap.servers", kafka));
        this.webhooksIdle = webhooksIdle;
    }

    /** Waits until there is nothing, for two minutes at most. */
    public void awaitNothing() {
        awaitNothing(PATIENCE);
    }

    /** Waits until there is nothing. */
    public void awaitNothing(Duration patience) {
        await().atMost(patience).pollInterval(POLL).during(QUIET).until(this::all, Map::isEmpty);
    }

    /** Waits until every change has been looked at, even if it could not be sent. */
    public void awaitIdleConsumers() {
        await().atMost(PATIENCE).pollInterval(POLL).during(QUIET)
                .until(() -> count("sync.outbox") == 0 && lag() == 0 && count("sync.link where lease_until is not null") == 0);
    }

    /** In the order in which a change goes round, so that one that moves on meanwhile is met at its next place: each gives away only what the next one has. */
    private Map<String, Long> all() throws Exception {
        var all = new TreeMap<String, Long>();
        all.put("changes", count("sync.outbox"));
        all.put("messages", lag());
        all.put("records in work", count("sync.link where lease_until is not null or in_flight_op is not null or look_at is not null or parked_at is not null"));
        all.put("hints", count("sync.event where outcome = 'hint' and held is not null"));
        all.put("retries", count("sync.failure where next_attempt_at is not null"));
        all.put("webhooks", webhooksIdle.call() ? 0L : 1L);
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

    /** What is left to read; where a group has never read anything there is no route for it. */
    private long lag() throws InterruptedException, ExecutionException {
        var done = new HashMap<>(kafka.listConsumerGroupOffsets(ALL_OFFSETS).all().get());
        var unread = done.keySet().stream().filter(group -> done.get(group).isEmpty()).toList();
        if (!unread.isEmpty()) {
            kafka.describeConsumerGroups(unread).all().get().values().stream().filter(group -> group.state() == ConsumerGroupState.DEAD)
                    .forEach(group -> done.remove(group.groupId()));
        }
        var topics = done.keySet().stream().map(TOPIC_BY_GROUP::get).filter(topic -> !partitions.containsKey(topic)).collect(Collectors.toSet());
        kafka.describeTopics(topics).allTopicNames().get().values().forEach(topic -> partitions.put(topic.name(),
                topic.partitions().stream().map(partition -> new TopicPartition(topic.name(), partition.partition())).toList()));
        var ends = kafka.listOffsets(done.keySet().stream().flatMap(group -> partitions.get(TOPIC_BY_GROUP.get(group)).stream()).distinct()
                .collect(Collectors.toMap(partition -> partition, partition -> OffsetSpec.latest()))).all().get();
        long lag = 0;
        for (var group : done.keySet()) {
            for (var partition : partitions.get(TOPIC_BY_GROUP.get(group))) {
                var read = done.get(group).get(partition);
                lag += ends.get(partition).offset() - (read == null ? 0 : read.offset());
            }
        }
        return lag;
    }

    @Override
    public void close() {
        hub.close();
        kafka.close();
    }
}
