package io.bactrian.sync;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.NullNode;
import io.bactrian.TestServices;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Random;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * Editors of both sides, workers and deliveries, each on a connection of its own, all at once: for what only shows when transactions
 * overlap. The order of things is not repeatable; {@link RandomEditsTest} is where a seed is.
 */
class ConcurrentEditsTest {

    private static final int EDITS = 150;

    private record Message(String recordId, String origin) {
    }

    private interface Activity {
        /** One more time. */
        void go(Hub hub, Random random) throws Exception;
    }

    private final ConcurrentLinkedQueue<Message> messages = new ConcurrentLinkedQueue<>();
    private final ConcurrentLinkedQueue<ModelRemote.Event> deliveries = new ConcurrentLinkedQueue<>();
    private final ModelRemote remote = new ModelRemote(4_000_000_000_000L);
    private int collected;
    private TestServices.Database database;

    @BeforeEach
    void createDatabase() {
        database = TestServices.database();
    }

    @Test
    void both_sides_end_equal_when_everybody_works_at_once() throws Exception {
        var over = new AtomicBoolean();
        var pool = Executors.newCachedThreadPool();
        try {
            var editors = new ArrayList<Future<?>>();
            for (int i = 0; i < 3; i++) {
                editors.add(pool.submit(repeat(i, EDITS, this::editHub)));
                editors.add(pool.submit(repeat(10 + i, EDITS, this::editRemote)));
            }
            var others = new ArrayList<Future<?>>();
            for (int i = 0; i < 3; i++) {
                others.add(pool.submit(until(over, 20 + i, this::work)));
                others.add(pool.submit(until(over, 30 + i, this::deliver)));
            }
            for (var editor : editors) {
                editor.get(60, TimeUnit.SECONDS);
            }
            over.set(true);
            for (var other : others) {
                other.get(30, TimeUnit.SECONDS);
            }
        } finally {
            over.set(true);
            pool.shutdownNow();
        }
        try (var sql = Sql.open(database.dataSource())) {
            settleDown(new Hub(sql));
            BothSides.of(sql, remote).requireEqual();
            assertEquals(0, sql.number("select count(*) from sync.failure"));
        }
    }

    private void editHub(Hub hub, Random random) throws SQLException {
        var sql = hub.sql;
        var ids = sql.texts("select id from customers order by id");
        sql.connection().setAutoCommit(false);
        try {
            if (ids.size() < 4) {
                sql.run("insert into customers (name) values (?)", word(random));
            } else if (random.nextInt(15) == 0) {
                sql.run("delete from customers where id = ?::bigint", ids.get(random.nextInt(ids.size())));
            } else {
                var some = new ArrayList<>(ids.subList(0, 1 + random.nextInt(2)));
                Collections.sort(some);
                for (var id : some) {
                    sql.run("update customers set " + (random.nextBoolean() ? "name" : "email") + " = ? where id = ?::bigint", word(random), id);
                }
            }
            sql.connection().commit();
        } finally {
            sql.connection().setAutoCommit(true);
        }
    }

    private void editRemote(Hub hub, Random random) throws ModelRemote.Refused {
        remote.tick(random.nextInt(300));
        var ids = remote.ids();
        var values = JsonNodeFactory.instance.objectNode();
        var word = word(random);
        values.set(random.nextBoolean() ? "name" : "email", word == null ? NullNode.instance : JsonNodeFactory.instance.textNode(word));
        if (ids.size() < 4) {
            remote.create(null, null, values);
        } else if (random.nextInt(15) == 0) {
            remote.delete(null, ids.get(random.nextInt(ids.size())));
        } else {
            remote.update(null, ids.get(random.nextInt(ids.size())), values);
        }
        Thread.yield();
    }

    private static String word(Random random) {
        return random.nextInt(8) == 0 ? null : "w" + random.nextInt(20);
    }

    private synchronized void drain(Hub hub) throws SQLException {
        var ids = new ArrayList<Object>();
        for (var row : hub.sql.rows("select * from sync.outbox_claim('one', '1 hour', 0, 100, 100000)")) {
            if (row.get("id") != null) {
                messages.add(new Message((String) row.get("record_id"), (String) row.get("origin")));
                ids.add(row.get("id"));
            }
        }
        hub.sql.run("select sync.outbox_acknowledge(?::bigint[])", ids.toString().replace('[', '{').replace(']', '}'));
    }

    private void work(Hub hub, Random random) throws SQLException, ModelRemote.Refused {
        var message = messages.poll();
        if (message == null) {
            drain(hub);
        } else if (!message.origin.equals("stripe")) {
            var claim = hub.claim(message.recordId);
            if (claim.token() != null) {
                var answer = Worker.call(remote, claim);
                if (random.nextInt(4) == 0) {
                    Thread.yield();
                }
                hub.settle(claim, answer);
            }
        }
    }

    private synchronized void collectEvents(Random random) {
        var news = new ArrayList<>(remote.eventsAfter(collected));
        collected += news.size();
        Collections.shuffle(news, random);
        news.forEach(event -> {
            deliveries.add(event);
            if (random.nextInt(10) == 0) {
                deliveries.add(event);
            }
        });
    }

    private void deliver(Hub hub, Random random) throws SQLException {
        var event = deliveries.poll();
        if (event == null) {
            collectEvents(random);
        } else {
            hub.apply(event);
        }
    }

    private void settleDown(Hub hub) throws Exception {
        var random = new Random(0);
        for (int quiet = 0; quiet < 3;) {
            hub.sql.run("select sync.retry_due('me')");
            drain(hub);
            collectEvents(random);
            quiet = messages.isEmpty() && deliveries.isEmpty() ? quiet + 1 : 0;
            while (!messages.isEmpty()) {
                work(hub, random);
            }
            while (!deliveries.isEmpty()) {
                deliver(hub, random);
            }
        }
    }

    private Runnable repeat(int seed, int times, Activity activity) {
        return () -> {
            try (var sql = Sql.open(database.dataSource())) {
                sql.run("set synchronous_commit = off");
                var random = new Random(seed);
                for (int i = 0; i < times; i++) {
                    activity.go(new Hub(sql), random);
                }
            } catch (Exception e) {
                throw new IllegalStateException(e);
            }
        };
    }

    private Runnable until(AtomicBoolean over, int seed, Activity activity) {
        return () -> {
            try (var sql = Sql.open(database.dataSource())) {
                sql.run("set synchronous_commit = off");
                var random = new Random(seed);
                while (!over.get()) {
                    activity.go(new Hub(sql), random);
                }
            } catch (Exception e) {
                throw new IllegalStateException(e);
            }
        };
    }
}
