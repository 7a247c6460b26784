package io.bactrian.sync;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import io.bactrian.TestServices;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.postgresql.PGConnection;
import org.postgresql.util.PSQLException;

/** How changes leave the outbox, and who is woken for them. */
class OutboxTest {

    private static TestServices.Database database;

    private Sql sql;
    private Sql drain;
    private Sql listener;

    @BeforeAll
    static void createDatabase() {
        database = TestServices.database();
    }

    @BeforeEach
    void connect() throws SQLException {
        sql = Sql.open(database.dataSource());
        drain = Sql.open(database.dataSource());
        listener = Sql.open(database.dataSource());
        sql.run("truncate customers restart identity cascade");
        sql.run("truncate sync.outbox, sync.drain");
        listener.run("listen bactrian");
        listener.run("listen marker");
    }

    @AfterEach
    void disconnect() throws SQLException {
        sql.close();
        drain.close();
        listener.close();
    }

    // Waking.

    @Test
    void a_sleeping_drain_is_woken_once_a_transaction() throws SQLException {
        sql.connection().setAutoCommit(false);
        sql.run("insert into customers (name) values ('Ada'), ('Grace')");
        sql.run("insert into customers (name) values ('Edsger')");
        sql.run("update customers set name = upper(name)");
        assertEquals(0, notifications());
        sql.connection().commit();
        assertEquals(1, notifications());
    }

    @Test
    void nobody_is_woken_when_nothing_changes_or_commits() throws SQLException {
        sql.run("insert into customers (name) values ('Ada')");
        assertEquals(1, notifications());
        sql.run("update customers set name = 'Ada'");
        sql.connection().setAutoCommit(false);
        sql.run("update customers set name = 'Grace'");
        sql.connection().rollback();
        assertEquals(0, notifications());
    }

    @Test
    void an_awake_drain_is_not_woken() throws SQLException {
        stayAwake();
        sql.run("insert into customers (name) values ('Ada')");
        assertEquals(0, notifications());
        fallAsleep("1 ms");
        sql.run("insert into customers (name) values ('Grace')");
        assertEquals(1, notifications());
    }

    @Test
    void one_batch_does_not_keep_it_awake_but_the_next_one_does() throws SQLException {
        sql.run("insert into customers (name) values ('Ada'), ('Grace'), ('Edsger')");
        notifications();
        assertEquals(1, claimed(0, 1).size());
        assertFalse(isAwake());
        assertEquals(1, claimed(1, 1).size());
        assertTrue(isAwake());
    }

    @Test
    void looks_again_while_awake() throws SQLException {
        stayAwake();
        assertEquals(1, markers());
        assertTrue(isAwake());
        fallAsleep("1 ms");
        assertEquals(0, markers());
    }

    @Test
    void a_stream_keeps_it_awake() throws SQLException {
        sql.run("insert into customers (name) values ('Ada'), ('Grace')");
        claimed(0, 1);
        claimed(1, 1);
        fallAsleep("1 hour");
        sql.run("insert into customers (name) values ('Edsger')");
        assertEquals(1, claimed(1, 1).size());
        assertEquals(1, sql.number("select count(*) from sync.drain where awake_until > clock_timestamp() - interval '30 minutes'"));
    }

    @Test
    void a_writer_that_saw_it_awake_and_commits_after_it_fell_asleep_is_found_without_being_heard() throws SQLException {
        stayAwake();
        sql.connection().setAutoCommit(false);
        sql.run("insert into customers (name) values ('Ada')");
        fallAsleep("1 ms");
        assertEquals(1, markers(), "the writer has not committed: look again");
        sql.connection().commit();
        assertEquals(0, notifications());
        assertEquals(1, ids(claim("one", 2, 10, 1000)).size());
    }

    @Test
    void a_writer_that_takes_long_does_not_keep_it_looking() throws SQLException {
        stayAwake();
        sql.connection().setAutoCommit(false);
        sql.run("insert into customers (name) values ('Ada')");
        fallAsleep("1 second");
        assertEquals(0, markers());
    }

    // Who drains.

    @Test
    void one_instance_drains_until_its_lease_is_over() throws SQLException {
        sql.run("insert into customers (name) values ('Ada')");
        assertEquals(1, ids(claim("one", 0, 10, 1000)).size());
        assertEquals(0, claim("two", 0, 10, 1000).size());
        assertEquals(1, ids(claim("one", 0, 10, 1000)).size(), "not acknowledged yet");
        sql.run("update sync.drain set leased_until = clock_timestamp()");
        assertEquals(1, ids(claim("two", 0, 10, 1000)).size());
        assertEquals(0, claim("one", 0, 10, 1000).size());
    }

    @Test
    void an_instance_that_drains_keeps_its_lease() throws SQLException {
        claim("one", 0, 10, 1000);
        sql.run("update sync.drain set leased_until = clock_timestamp() + interval '1 second'");
        claim("one", 0, 10, 1000);
        assertTrue(sql.number("select count(*) from sync.drain where leased_until > clock_timestamp() + interval '30 seconds'") == 1);
    }

    @Test
    void of_two_that_take_over_at_once_one_drains() throws SQLException {
        claim("gone", 0, 10, 1000);
        sql.run("update sync.drain set leased_until = '-infinity'");
        sql.run("insert into customers (name) values ('Ada')");
        drain.connection().setAutoCommit(false);
        assertEquals(1, ids(claim("one", 0, 10, 1000)).size());
        try (var other = Sql.open(database.dataSource())) {
            other.run("set lock_timeout = '100 ms'");
            assertEquals("55P03", assertThrows(PSQLException.class, () -> other.rows("select * from sync.outbox_claim('two', '1 minute', 0, 10, 1000)")).getSQLState());
            drain.connection().commit();
            assertEquals(0, other.rows("select * from sync.outbox_claim('two', '1 minute', 0, 10, 1000)").size());
        }
    }

    // What is claimed.

    @Test
    void claims_in_order_until_acknowledged() throws SQLException {
        sql.run("insert into customers (name) values ('Ada'), ('Grace')");
        sql.run("update customers set name = 'Edsger' where id = 2");
        var first = claim("one", 0, 2, 1000);
        assertEquals(List.of("1", "2"), first.stream().map(row -> row.get("record_id")).toList());
        assertEquals(ids(first), ids(claim("one", 0, 2, 1000)));
        acknowledge(ids(first));
        acknowledge(ids(first));
        assertEquals(List.of("u"), claim("one", 1, 2, 1000).stream().map(row -> row.get("op")).toList());
    }

    @Test
    void a_batch_ends_where_its_bytes_do() throws SQLException {
        sql.run("insert into customers (name) select repeat('x', 1000) from generate_series(1, 5)");
        var one = sql.number("select octet_length(after) from sync.outbox limit 1");
        assertEquals(2, claim("one", 0, 10, 2 * one + 10).size());
        assertEquals(5, claim("one", 0, 10, 10 * one).size());
    }

    @Test
    void a_change_that_is_too_large_travels_alone_and_with_its_key_only() throws SQLException {
        sql.run("insert into customers (name) values ('Ada')");
        sql.run("insert into customers (name, description) values ('Grace', repeat('x', 100000))");
        sql.run("insert into customers (name) values ('Edsger')");
        var rows = claim("one", 0, 10, 10_000);
        assertEquals(List.of("1"), rows.stream().map(row -> row.get("record_id")).toList());
        acknowledge(ids(rows));
        rows = claim("one", 0, 10, 10_000);
        assertEquals(List.of("2"), rows.stream().map(row -> row.get("record_id")).toList());
        var envelope = envelope(rows.get(0));
        assertEquals(Hub.object("{\"id\": 2}"), envelope.get("after"));
        assertTrue(envelope.at("/before").isNull());
        assertTrue(envelope.at("/source/truncated").asBoolean());
        acknowledge(ids(rows));
        assertEquals(List.of("3"), claim("one", 0, 10, 10_000).stream().map(row -> row.get("record_id")).toList());
    }

    @Test
    void the_envelope_is_debeziums() throws SQLException {
        sql.run("insert into customers (name, address) values ('O''Neil \"x\" \\ 😀', '{\"city\": null}')");
        sql.run("delete from customers");
        var rows = claim("one", 0, 10, 10_000);
        var created = envelope(rows.get(0));
        assertTrue(created.get("before").isNull());
        assertEquals("O'Neil \"x\" \\ 😀", created.at("/after/name").asText());
        assertTrue(created.at("/after/address/city").isNull());
        assertEquals("c", created.get("op").asText());
        assertEquals("customers", created.at("/source/table").asText());
        assertEquals("public", created.at("/source/schema").asText());
        assertEquals("", created.at("/source/origin").asText());
        assertTrue(created.at("/source/txId").isIntegralNumber());
        assertFalse(created.at("/source").has("truncated"));
        assertTrue(created.get("ts_ms").asLong() >= created.at("/source/ts_ms").asLong());
        var deleted = envelope(rows.get(1));
        assertEquals("d", deleted.get("op").asText());
        assertTrue(deleted.get("after").isNull());
        assertEquals(created.get("after"), deleted.get("before"));
    }

    @Test
    void the_envelope_survives_any_origin() throws SQLException {
        var origin = "it's \"\\ \n 😀 {}";
        sql.run("select sync.write(?, 'customers', '{\"name\": \"Ada\"}', null)", origin);
        assertEquals(origin, envelope(claim("one", 0, 10, 10_000).get(0)).at("/source/origin").asText());
    }

    @Test
    void a_poke_asks_one_system_and_carries_the_record() throws SQLException {
        sql.run("insert into customers (name) values ('Ada')");
        sql.run("truncate sync.outbox");
        sql.run("select sync.poke('customers', '1', 'stripe')");
        sql.run("select sync.poke('customers', '2', 'stripe')");
        assertTrue(notifications() > 0);
        var rows = claim("one", 0, 10, 10_000);
        assertEquals("stripe", rows.get(0).get("target"));
        assertEquals("r", rows.get(0).get("op"));
        assertEquals("Ada", envelope(rows.get(0)).at("/after/name").asText());
        assertTrue(envelope(rows.get(1)).get("after").isNull());
    }

    @Test
    void loses_nothing_that_commits_after_a_higher_id() throws SQLException {
        sql.connection().setAutoCommit(false);
        sql.run("insert into customers (name) values ('commits last')");
        try (var other = Sql.open(database.dataSource())) {
            other.run("insert into customers (name) values ('commits first')");
        }
        var first = claim("one", 0, 10, 10_000);
        assertEquals(1, first.size());
        acknowledge(ids(first));
        sql.connection().commit();
        var second = claim("one", 0, 10, 10_000);
        assertEquals("commits last", envelope(second.get(0)).at("/after/name").asText());
        assertTrue((long) second.get(0).get("id") < (long) first.get(0).get("id"));
    }

    private List<Map<String, Object>> claimed(int round, int rows) throws SQLException {
        var claimed = claim("one", round, rows, 10_000);
        acknowledge(ids(claimed));
        return claimed;
    }

    private List<Map<String, Object>> claim(String instance, int round, int rows, long bytes) throws SQLException {
        return drain.rows("select * from sync.outbox_claim(?, '1 minute', ?, ?, ?)", instance, round, rows, bytes);
    }

    private void acknowledge(List<Object> ids) throws SQLException {
        drain.run("select sync.outbox_acknowledge(?::bigint[])", ids.toString().replace('[', '{').replace(']', '}'));
    }

    private static List<Object> ids(List<Map<String, Object>> rows) {
        return new ArrayList<>(rows.stream().map(row -> row.get("id")).filter(Objects::nonNull).toList());
    }

    private static JsonNode envelope(Map<String, Object> row) {
        return Hub.object(row.get("envelope"));
    }

    /** Claims when the outbox is empty: how many rows without an id come. */
    private int markers() throws SQLException {
        var rows = claim("one", 0, 10, 10_000);
        rows.forEach(row -> assertNull(row.get("id")));
        return rows.size();
    }

    private void stayAwake() throws SQLException {
        drain.run("insert into sync.drain values (true, 'one', 'infinity', 'infinity')");
    }

    private void fallAsleep(String ago) throws SQLException {
        drain.run("update sync.drain set awake_until = clock_timestamp() - interval '" + ago + "'");
    }

    private boolean isAwake() throws SQLException {
        return sql.number("select count(*) from sync.drain where awake_until > clock_timestamp()") == 1;
    }

    /** How often the drain was notified since the last call. They come in the order of commits, so a marker ends them. */
    private int notifications() throws SQLException {
        try (var other = Sql.open(database.dataSource())) {
            other.run("notify marker");
        }
        int count = 0;
        while (true) {
            for (var notification : listener.connection().unwrap(PGConnection.class).getNotifications(0)) {
                if (notification.getName().equals("marker")) {
                    return count;
                }
                count++;
            }
        }
    }
}
