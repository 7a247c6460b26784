package io.bactrian.sync;

import static io.bactrian.sync.Scene.START;
import static io.bactrian.sync.Scene.state;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.bactrian.TestServices;
import io.bactrian.store.Events;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.postgresql.util.PSQLException;
import org.springframework.dao.DataIntegrityViolationException;

/** One outbound write: what is sent, who may send it, and what comes of its outcome. */
class ClaimSettleTest {

    private static final String INVOICE = "{currency, memo, invoice_items/*}";
    private static final String LINES = "[{id:'ii_1', description:'a saddle', quantity:1, unit_amount:5}]";

    private static TestServices.Database database;
    private static Sql sql;

    private Scene scene;

    @BeforeAll
    static void createDatabase() throws SQLException {
        database = TestServices.database();
        sql = Sql.open(database.dataSource());
    }

    @AfterAll
    static void disconnect() throws SQLException {
        sql.close();
    }

    @BeforeEach
    void begin() throws SQLException {
        scene = new Scene(sql);
        sql.run("truncate sync.integration, sync.scope, sync.brake, sync.deletion, sync.unlinked");
    }

    // What is sent.

    @Test
    void a_new_record_is_created() throws SQLException {
        var id = scene.insert("{name:'Ada'}");
        var claim = scene.hub.claim(id);
        assertEquals("create", claim.action());
        assertEquals(state("{name:'Ada'}"), claim.record().deepCopy().retain(ModelRemote.FIELDS));
        assertNull(claim.base());
        assertEquals(scene.hub.key(id + ":0"), claim.keyPrefix());
        assertEquals("settled", scene.settle(claim, "ext_9", "{name:'Ada'}", START));
        assertEquals("ext_9", scene.link(id).get("external_id").asText());
        assertEquals("none", scene.hub.claim(id).action());
    }

    @Test
    void only_fields_that_moved_differ_from_the_base() throws SQLException {
        var id = scene.linked("{name:'Ada', email:'a@x', address:{city:'London'}}");
        scene.edit(id, START + 1, "{email:'b@x'}");
        scene.edit(id, START + 2, "{email:'c@x', address:null}");
        var claim = scene.hub.claim(id);
        assertEquals("update ext_1", claim.action() + " " + claim.externalId());
        assertEquals(state("{name:'Ada', email:'c@x'}"), claim.record().deepCopy().retain(ModelRemote.FIELDS));
        assertEquals(state("{name:'Ada', email:'a@x', address:{city:'London'}}"), claim.base().deepCopy().retain(ModelRemote.FIELDS));
        assertEquals(scene.hub.key("1:1"), claim.keyPrefix());
    }

    @Test
    void what_was_changed_and_changed_back_is_not_sent() throws SQLException {
        var id = scene.linked("{name:'Ada'}");
        scene.edit(id, START + 1, "{name:'Grace'}");
        scene.edit(id, START + 1, "{name:'Ada'}");
        assertEquals("none", scene.hub.claim(id).action());
    }

    @Test
    void a_column_that_is_not_synced_is_not_sent() throws SQLException {
        var id = scene.linked("{name:'Ada'}");
        scene.sql.run("update customers set phone = '1'");
        assertEquals("none", scene.hub.claim(id).action());
    }

    @Test
    void a_deleted_record_is_deleted_and_leaves_a_tombstone() throws SQLException {
        var id = scene.linked("{name:'Ada'}");
        scene.delete(id);
        var claim = scene.hub.claim(id);
        assertEquals("delete ext_1", claim.action() + " " + claim.externalId());
        assertNull(claim.record());
        assertEquals("gone", scene.settle(claim, "ext_1", null, START + 1));
        assertEquals("none", scene.hub.claim(id).action());
        assertEquals(List.of("ext_1"), scene.sql.texts("select external_id from sync.tombstone"));
        assertEquals(0, scene.pokes(id));
    }

    @Test
    void what_never_was_or_came_and_went_unseen_is_nothing() throws SQLException {
        assertEquals("none", scene.hub.claim("4711").action());
        var id = scene.insert("{name:'Ada'}");
        scene.delete(id);
        assertEquals("none", scene.hub.claim(id).action());
        assertEquals(0, scene.sql.number("select count(*) from sync.link"));
    }

    @Test
    void a_message_about_a_table_that_is_not_tracked_any_more_is_passed_over() throws SQLException {
        assertEquals("none", Writes.action(scene.sql, "stripe", "nowhere", "1", "{name}"));
    }

    @Test
    void a_long_id_makes_a_short_key() throws SQLException {
        scene.sql.run("create table words (word text primary key)");
        scene.sql.run("select sync.track('words')");
        scene.sql.run("insert into words values (repeat('x', 1000))");
        var prefix = (String) Writes.claim(scene.sql, "stripe", "words", "x".repeat(1000), "{word}").get("key_prefix");
        assertTrue(prefix.length() < 150, prefix);
        scene.sql.run("select sync.untrack('words')");
        scene.sql.run("drop table words");
    }

    @Test
    void a_table_with_columns_named_like_the_functions_own_syncs() throws SQLException {
        scene.sql.run("create table odd (t integer generated by default as identity primary key, v text, l text, record text, base text, action text, token text)");
        scene.sql.run("select sync.track('odd')");
        scene.sql.run("insert into odd (v, record) values ('a', 'b')");
        var row = Writes.claim(scene.sql, "stripe", "odd", "1", "{v,l,record}");
        assertEquals("b", Hub.object(row.get("record")).get("record").asText());
        Writes.settle(scene.sql, "stripe", "odd", "1", row.get("token"), "ext_o", "{\"v\":\"a\", \"record\":\"b\"}", null, false, "{v,l,record}", "newest");
        assertEquals("applied", Events.apply(scene.sql, "odd", Scene.json("{id:'evt_o', type:'x', at:9999999999, external_id:'ext_o', deleted:false}").toString(), "{\"v\":\"c\", \"record\":\"b\"}", null, null, "{v,l,record}", "newest"));
        assertEquals("created", Events.apply(scene.sql, "odd", Scene.json("{id:'evt_p', type:'x', at:1, external_id:'ext_p', deleted:false}").toString(), "{\"v\":\"d\"}", null, null, "{v,l,record}", "newest"));
        assertEquals(List.of("1 c", "2 d"), scene.sql.texts("select t || ' ' || v from odd order by t"));
        scene.sql.run("select sync.untrack('odd')");
        scene.sql.run("drop table odd");
    }

    @Test
    void what_one_system_changed_goes_out_to_another() throws SQLException {
        var id = scene.linked("{name:'Ada'}");
        assertEquals("create", claimForCrm(id));
        Writes.settle(scene.sql, "crm", "customers", id, scene.sql.number("select lease_token from sync.link where system = 'crm'"), "crm_1", state("{name:'Ada'}").toString(), null,
                false, Hub.FIELDS, "newest");
        assertEquals("none", claimForCrm(id));
        scene.updated("ext_1", START + 1, "{name:'Ada'}", "{name:'Grace'}");
        assertEquals("none", scene.hub.claim(id).action());
        assertEquals("update", claimForCrm(id));
        scene.sql.run("update sync.link set lease_until = null, in_flight_op = null where system = 'crm'");
        scene.deleted("ext_1", START + 2);
        assertEquals("delete", claimForCrm(id));
    }

    private String claimForCrm(String id) throws SQLException {
        return Writes.action(scene.sql, "crm", "customers", id, Hub.FIELDS);
    }

    @Test
    void writes_whose_events_never_come_do_not_swell_the_link() throws SQLException {
        var id = scene.linked("{name:'Ada'}");
        for (int i = 0; i < 60; i++) {
            var description = (i + " ").repeat(i % 10 == 0 ? 20_000 : 1);
            scene.edit(id, START + i, "{description:'" + description + "'}");
            scene.settle(scene.hub.claim(id), "ext_1", "{name:'Ada', description:'" + description.strip() + "'}", START + i);
            var unechoed = scene.link(id).get("unechoed");
            assertTrue(unechoed.toString().length() < 20_000, i + ": " + unechoed.size() + " of " + unechoed.toString().length());
        }
        assertTrue(scene.link(id).get("unechoed").size() > 1);
        assertEquals("none", scene.hub.claim(id).action());
    }

    @Test
    void a_write_that_fails_for_long_while_its_record_is_edited_does_not_swell_the_link() throws SQLException {
        var id = scene.linked("{name:'Ada'}");
        for (int i = 0; i < 60; i++) {
            scene.edit(id, START + i, "{description:'" + (i + " ").repeat(200) + "', name:'Ada " + i + "'}");
            scene.hub.fail(scene.hub.claim(id), false);
            var unechoed = scene.link(id).get("unechoed");
            assertTrue(unechoed.toString().length() < 20_000, i + ": " + unechoed.size() + " of " + unechoed.toString().length());
        }
        assertEquals("update", scene.hub.claim(id).action());
    }

    @Test
    void a_time_is_the_same_in_every_workers_time_zone() throws SQLException {
        scene.sql.run("create table visits (id bigint generated by default as identity primary key, at timestamptz)");
        scene.sql.run("select sync.track('visits')");
        scene.sql.run("insert into visits (at) values ('2026-01-02 03:04:05+00')");
        try {
            scene.sql.run("set timezone = 'Asia/Tokyo'");
            var claim = Writes.claim(scene.sql, "stripe", "visits", "1", "{at}");
            scene.sql.run("set timezone = 'America/New_York'");
            Writes.settle(scene.sql, "stripe", "visits", "1", claim.get("token"), "ext_v", Hub.object(claim.get("record")).retain("at").toString(), null, false, "{at}", "newest");
            assertEquals("none", Writes.action(scene.sql, "stripe", "visits", "1", "{at}"));
            Events.apply(scene.sql, "visits", Scene.json("{id:'evt_v', type:'x', at:9999999999, external_id:'ext_v', deleted:false}").toString(), "{\"at\":\"2026-01-02T03:04:06Z\"}", null, null, "{at}", "newest");
            scene.sql.run("set timezone = 'Asia/Tokyo'");
            assertEquals("none", Writes.action(scene.sql, "stripe", "visits", "1", "{at}"));
        } finally {
            scene.sql.run("reset timezone");
            scene.sql.run("select sync.untrack('visits')");
            scene.sql.run("drop table visits");
        }
    }

    // Who may write.

    @Test
    void one_worker_at_a_time_and_the_other_is_called_later() throws SQLException {
        var id = scene.insert("{name:'Ada'}");
        var claim = scene.hub.claim(id);
        scene.edit(id, START + 1, "{name:'Grace'}");
        assertEquals("busy", scene.hub.claim(id).action());
        scene.quiet();
        assertEquals("settled", scene.settle(claim, "ext_1", "{name:'Ada'}", START));
        assertEquals(1, scene.pokes(id));
        assertEquals("update", scene.hub.claim(id).action());
    }

    @Test
    void whoever_asked_while_it_was_busy_is_called_even_if_nothing_moved() throws SQLException {
        var id = scene.insert("{name:'Ada'}");
        var claim = scene.hub.claim(id);
        scene.hub.claim(id);
        scene.quiet();
        scene.settle(claim, "ext_1", "{name:'Ada'}", START);
        assertEquals(1, scene.pokes(id));
    }

    @Test
    void of_eight_claims_at_once_one_gets_the_record() throws Exception {
        var id = scene.insert("{name:'Ada'}");
        var barrier = new CyclicBarrier(8);
        var pool = Executors.newFixedThreadPool(8);
        var actions = new ArrayList<String>();
        try {
            var futures = IntStream.range(0, 8).<Future<String>>mapToObj(i -> pool.submit(() -> {
                try (var own = Sql.open(database.dataSource())) {
                    barrier.await(10, TimeUnit.SECONDS);
                    return new Hub(own).claim(id).action();
                }
            })).toList();
            for (var future : futures) {
                actions.add(future.get(20, TimeUnit.SECONDS));
            }
        } finally {
            pool.shutdownNow();
        }
        assertEquals(1, actions.stream().filter("create"::equals).count(), actions.toString());
        assertEquals(7, actions.stream().filter("busy"::equals).count(), actions.toString());
    }

    @Test
    void a_lost_token_changes_nothing_and_asks_for_another_look() throws SQLException {
        var id = scene.linked("{name:'Ada'}");
        scene.edit(id, START + 1, "{name:'Grace'}");
        var slow = scene.hub.claim(id);
        expireLease(id);
        var quick = scene.hub.claim(id);
        var link = scene.link(id);
        scene.quiet();
        assertEquals("lost", scene.settle(slow, "ext_1", "{name:'Grace'}", START + 2));
        assertEquals("lost", scene.hub.fail(slow, true));
        assertEquals(2, scene.pokes(id));
        assertEquals(link, scene.link(id));
        assertEquals(0, scene.sql.number("select count(*) from sync.failure"));
        assertEquals("settled", scene.settle(quick, "ext_1", "{name:'Grace'}", START + 2));
        assertEquals("lost", scene.settle(quick, "ext_1", "{name:'Grace'}", START + 2));
    }

    // Outcomes that nobody knows.

    @Test
    void a_create_of_unknown_outcome_is_repeated_as_it_was() throws SQLException {
        var id = scene.insert("{name:'Ada'}");
        var first = scene.hub.claim(id);
        expireLease(id);
        scene.edit(id, START + 1, "{name:'Grace'}");
        var second = scene.hub.claim(id);
        assertEquals("create", second.action());
        assertEquals(first.record(), second.record());
        assertEquals(first.keyPrefix(), second.keyPrefix());
        assertNotEquals(first.token(), second.token());
        scene.quiet();
        assertEquals("settled", scene.hub.settle(second, new ModelRemote.Answer("ext_1", state("{name:'Ada'}"), START, true)));
        assertEquals(1, scene.pokes(id));
        assertEquals("fetch", scene.hub.claim(id).action(), "the answer was an old one: look what it is now");
    }

    @Test
    void a_record_that_was_deleted_while_its_create_is_unknown_is_created_and_deleted() throws SQLException {
        var id = scene.insert("{}");
        scene.hub.claim(id);
        expireLease(id);
        scene.delete(id);
        var again = scene.hub.claim(id);
        assertEquals("create", again.action());
        scene.quiet();
        scene.settle(again, "ext_1", "{}", START);
        assertEquals(1, scene.pokes(id));
        assertEquals("delete", scene.hub.claim(id).action());
    }

    @Test
    void an_update_of_unknown_outcome_is_repeated_with_its_key_while_the_record_is_the_same() throws SQLException {
        var id = scene.linked("{name:'Ada'}");
        scene.edit(id, START + 1, "{name:'Grace'}");
        var first = scene.hub.claim(id);
        assertEquals("waiting", scene.hub.fail(first, false));
        var second = scene.hub.claim(id);
        assertEquals(first.keyPrefix(), second.keyPrefix());
        assertEquals(first.record(), second.record());
        assertEquals(first.base(), second.base());
    }

    @Test
    void another_request_than_the_one_of_unknown_outcome_has_another_key_and_covers_its_fields() throws SQLException {
        var id = scene.linked("{name:'Ada', email:'a@x'}");
        scene.edit(id, START + 1, "{name:'Grace'}");
        var first = scene.hub.claim(id);
        scene.hub.fail(first, false);
        scene.edit(id, START + 2, "{name:'Ada', email:'b@x'}");
        var second = scene.hub.claim(id);
        assertEquals("update", second.action());
        assertNotEquals(first.keyPrefix(), second.keyPrefix());
        assertEquals("Grace", second.base().get("name").asText(), "it may say so there");
        assertEquals("a@x", second.base().get("email").asText());
        scene.hub.fail(second, false);
        scene.edit(id, START + 3, "{name:'Grace', email:'b@x'}");
        var third = scene.hub.claim(id);
        assertNotEquals(second.keyPrefix(), third.keyPrefix());
        assertEquals("Ada", third.base().get("name").asText());
        assertEquals("a@x", third.base().get("email").asText());
    }

    @Test
    void a_field_stays_in_the_request_though_the_merge_made_it_agree() throws SQLException {
        // What a worker has under way may reach the remote any time: then it must be set right.
        var id = scene.linked("{name:'Ada', email:'a@x'}");
        scene.edit(id, START + 1, "{name:'Grace'}");
        scene.hub.fail(scene.hub.claim(id), false);
        scene.edit(id, START + 2, "{name:'Ada'}");
        scene.hub.fail(scene.hub.claim(id), false);
        var again = scene.hub.claim(id);
        assertEquals("update", again.action());
        assertEquals("Grace > Ada", again.base().get("name").asText() + " > " + again.record().get("name").asText());
    }

    @Test
    void a_delete_of_unknown_outcome_is_finished_before_a_new_record_of_the_same_id_is_created() throws SQLException {
        var id = scene.linked("{name:'Ada'}");
        scene.delete(id);
        var first = scene.hub.claim(id);
        expireLease(id);
        scene.sql.run("insert into customers (id, name) values (?::bigint, 'Grace')", id);
        var second = scene.hub.claim(id);
        assertEquals("delete ext_1", second.action() + " " + second.externalId());
        assertEquals(first.keyPrefix(), second.keyPrefix());
        scene.quiet();
        assertEquals("gone", scene.settle(second, "ext_1", null, START + 1));
        assertEquals(1, scene.pokes(id));
        var create = scene.hub.claim(id);
        assertEquals("create", create.action());
        assertNotEquals(second.keyPrefix(), create.keyPrefix());
        assertEquals("Grace", create.record().get("name").asText());
    }

    @Test
    void a_worker_that_died_is_noticed() throws SQLException {
        var id = scene.insert("{name:'Ada'}");
        var claim = scene.hub.claim(id);
        assertEquals(0, scene.sql.number("select sync.retry_due('me')"));
        expireLease(id);
        scene.quiet();
        assertEquals(1, scene.sql.number("select sync.retry_due('me')"));
        assertEquals(1, scene.pokes(id));
        assertEquals(0, scene.sql.number("select sync.retry_due('me')"));
        assertEquals("lost", scene.settle(claim, "ext_1", "{name:'Ada'}", START));
        assertEquals("create", scene.hub.claim(id).action());
    }

    // Outcomes.

    @Test
    void a_refused_write_waits_for_a_person_or_the_next_change_and_takes_a_new_key() throws SQLException {
        var id = scene.linked("{name:'Ada'}");
        scene.edit(id, START + 1, "{name:'Grace'}");
        var claim = scene.hub.claim(id);
        scene.quiet();
        assertEquals("refused", scene.hub.fail(claim, true));
        assertEquals(0, scene.pokes(id));
        assertEquals("test a test made it fail", scene.sql.text("select code || ' ' || reason from sync.failure where direction = 'out' and next_attempt_at is null"));
        assertEquals(0, scene.sql.number("select sync.retry_due('me')"));
        assertEquals("none", scene.hub.claim(id).action(), "the same again");
        assertEquals(1, scene.sql.number("select count(*) from sync.failure"));
        scene.sql.run("select sync.retry('stripe', 'customers', ?)", id);
        var again = scene.hub.claim(id);
        assertEquals("update", again.action());
        assertNotEquals(claim.keyPrefix(), again.keyPrefix());
        scene.settle(again, "ext_1", "{name:'Grace'}", START + 2);
        assertEquals(0, scene.sql.number("select count(*) from sync.failure"));
    }

    @Test
    void a_refused_write_is_tried_again_when_the_record_or_its_object_changes() throws SQLException {
        var id = scene.linked("{name:'Ada'}");
        scene.edit(id, START + 1, "{name:'Grace'}");
        scene.hub.fail(scene.hub.claim(id), true);
        scene.updated("ext_1", START + 2, "{name:'Ada'}", "{name:'Ada', email:'a@x'}");
        var claim = scene.hub.claim(id);
        assertEquals("update", claim.action());
        scene.hub.fail(claim, true);
        scene.edit(id, START + 3, "{name:'Edsger', email:'a@x'}");
        assertEquals("update", scene.hub.claim(id).action());
    }

    @Test
    void a_refused_write_that_is_taken_back_is_no_failure_any_more() throws SQLException {
        var id = scene.linked("{name:'Ada'}");
        scene.edit(id, START + 1, "{name:'Grace'}");
        scene.hub.fail(scene.hub.claim(id), true);
        scene.edit(id, START + 2, "{name:'Ada'}");
        assertEquals("none", scene.hub.claim(id).action());
        assertEquals(0, scene.sql.number("select count(*) from sync.failure"));
    }

    @Test
    void a_refusal_after_a_write_of_unknown_outcome_has_the_object_read_first() throws SQLException {
        var id = scene.linked("{name:'Ada'}");
        scene.edit(id, START + 1, "{name:'Grace'}");
        scene.hub.fail(scene.hub.claim(id), false);
        scene.edit(id, START + 2, "{name:'refuse'}");
        scene.hub.fail(scene.hub.claim(id), true);
        scene.edit(id, START + 3, "{name:'Ada'}");
        var fetch = scene.hub.claim(id);
        assertEquals("fetch", fetch.action(), "Grace may have arrived");
        assertEquals("settled", scene.settle(fetch, "ext_1", "{name:'Grace'}", START + 4));
    }

    @Test
    void what_was_taken_back_before_the_refusal_is_read_all_the_same_and_once() throws SQLException {
        var id = scene.linked("{name:'Ada'}");
        scene.edit(id, START + 1, "{name:'Grace'}");
        scene.hub.fail(scene.hub.claim(id), false);
        scene.edit(id, START + 2, "{name:'refuse'}");
        var claim = scene.hub.claim(id);
        scene.edit(id, START + 3, "{name:'Ada'}");
        scene.quiet();
        scene.hub.fail(claim, true);
        assertEquals(1, scene.pokes(id));
        scene.settle(scene.hub.claim(id), "ext_1", "{name:'Ada'}", START + 4);
        assertEquals("none", scene.hub.claim(id).action());

        scene.edit(id, START + 5, "{name:'refuse'}");
        claim = scene.hub.claim(id);
        scene.quiet();
        scene.hub.fail(claim, true);
        assertEquals(0, scene.pokes(id));
    }

    @Test
    void what_is_refused_while_its_events_are_paused_is_read_when_they_are_resumed() throws SQLException {
        var id = scene.linked("{name:'Ada'}");
        scene.sql.run("select sync.pause('stripe', 'in')");
        scene.sql.run("update sync.link set look_at = now() where record_id = ?", id);
        scene.edit(id, START + 1, "{name:'refuse'}");
        var claim = scene.hub.claim(id);
        assertEquals("update", claim.action());
        scene.quiet();
        scene.hub.fail(claim, true);
        assertEquals(0, scene.pokes(id));
        scene.sql.run("select sync.resume('stripe', 'in')");
        assertEquals(1, scene.sql.number("select sync.unpark(10)"));
        assertEquals("fetch", scene.hub.claim(id).action());
        scene.sql.run("delete from sync.system");
    }

    @Test
    void a_read_that_is_refused_is_not_repeated_until_something_changes() throws SQLException {
        var id = scene.linked("{name:'Ada'}");
        scene.updated("ext_1", START, "{name:'x'}", "{name:'Edsger'}");
        var fetch = scene.hub.claim(id);
        assertEquals("fetch", fetch.action());
        scene.quiet();
        assertEquals("refused", scene.hub.fail(fetch, true));
        assertEquals(0, scene.pokes(id));
        scene.edit(id, START + 1, "{name:'Grace'}");
        assertEquals("fetch", scene.hub.claim(id).action());
    }

    @Test
    void a_failed_call_waits_and_is_poked_when_its_time_comes() throws SQLException {
        var id = scene.insert("{name:'Ada'}");
        assertEquals("waiting", scene.hub.fail(scene.hub.claim(id), false));
        scene.quiet();
        assertEquals(0, scene.sql.number("select sync.retry_due('me')"));
        scene.sql.run("update sync.failure set next_attempt_at = now()");
        assertEquals(1, scene.sql.number("select sync.retry_due('me')"));
        assertEquals(1, scene.pokes(id));
        assertEquals(0, scene.sql.number("select sync.retry_due('me')"), "not again before the worker had its time");
        assertEquals("create", scene.hub.claim(id).action());
    }

    @Test
    void pauses_grow_to_minutes_and_the_other_systems_word_counts() throws SQLException {
        var id = scene.insert("{name:'Ada'}");
        var pauses = new ArrayList<Long>();
        for (int i = 0; i < 12; i++) {
            scene.hub.fail(scene.hub.claim(id), false);
            pauses.add(pause());
        }
        for (int i = 0; i < 12; i++) {
            long least = Math.min(300_000, 1000L << i);
            assertTrue(pauses.get(i) > least - 1000 && pauses.get(i) <= least * 3 / 2, pauses.toString());
        }
        assertEquals(12, scene.sql.number("select attempts from sync.failure"));
        var claim = scene.hub.claim(id);
        Writes.fail(scene.sql, "stripe", "customers", id, claim.token(), "transient", false, false, "rate_limit", "slow down", "req_1", "1800");
        assertTrue(pause() > 1_790_000);
        assertEquals("req_1", scene.sql.text("select request_id from sync.failure"));
    }

    @Test
    void one_failure_stops_nobody_else() throws SQLException {
        var id = scene.insert("{name:'Ada'}");
        var other = scene.insert("{name:'Grace'}");
        scene.hub.fail(scene.hub.claim(id), true);
        assertEquals("create", scene.hub.claim(other).action());
    }

    @Test
    void whoever_asked_while_it_failed_is_called() throws SQLException {
        var id = scene.insert("{name:'Ada'}");
        var claim = scene.hub.claim(id);
        scene.edit(id, START + 1, "{name:'Grace'}");
        scene.hub.claim(id);
        scene.quiet();
        scene.hub.fail(claim, true);
        assertEquals(1, scene.pokes(id));
    }

    @Test
    void retries_go_on_though_one_table_is_not_tracked_any_more() throws SQLException {
        scene.sql.run("create table things (id bigint primary key, name text)");
        scene.sql.run("select sync.track('things')");
        scene.sql.run("insert into things values (1, 'a')");
        var token = Writes.claim(scene.sql, "stripe", "things", "1", "{name}").get("token");
        Writes.fail(scene.sql, "stripe", "things", "1", token, "transient", false, false, "test", "test", null, null);
        var id = scene.insert("{name:'Ada'}");
        scene.hub.fail(scene.hub.claim(id), false);
        scene.sql.run("drop table things");
        scene.quiet();
        scene.sql.run("update sync.failure set next_attempt_at = now()");
        scene.sql.run("select sync.retry_due('me')");
        assertEquals(1, scene.pokes(id));
        scene.sql.run("select sync.untrack('things')");
    }

    @Test
    void an_update_that_meets_no_object_reads_before_anything_is_believed() throws SQLException {
        var id = scene.linked("{name:'Ada'}");
        scene.edit(id, START + 1, "{name:'Grace'}");
        var claim = scene.hub.claim(id);
        scene.quiet();
        assertEquals("look", scene.settle(claim, null, null, START + 2));
        assertEquals(state("{name:'Grace'}"), scene.customer(id));
        assertEquals(1, scene.pokes(id));
        var fetch = scene.hub.claim(id);
        assertEquals("fetch", fetch.action());
        assertEquals("gone", scene.settle(fetch, "ext_1", null, START + 3));
        assertNull(scene.customer(id));
        assertEquals(List.of("name Ada > Grace | -: remote"), scene.conflicts());
    }

    @Test
    void an_object_deleted_before_we_hear_that_it_was_created_takes_its_record_along() throws SQLException {
        var id = scene.insert("{name:'Ada'}");
        var claim = scene.hub.claim(id);
        assertEquals("deleted", scene.event("deleted", "ext_9", START + 1, null, id, null, "{}"));
        assertEquals(1, scene.customers());
        assertEquals("gone", scene.settle(claim, "ext_9", "{name:'Ada'}", START));
        assertNull(scene.customer(id));
        assertEquals(List.of(), scene.conflicts());
    }

    @Test
    void a_record_that_was_created_twice_after_all_is_a_failure_and_makes_no_second_row() throws SQLException {
        var id = scene.insert("{name:'Ada'}");
        var claim = scene.hub.claim(id);
        assertEquals("echo", scene.event("created", "ext_8", START, claim.keyPrefix() + ":x", id, null, "{name:'Ada'}"));
        assertEquals("failed", scene.settle(claim, "ext_9", "{name:'Ada'}", START));
        assertEquals("record 1 has two objects in stripe: ext_8 is linked, ext_9 is not", scene.sql.text("select reason from sync.failure"));
        assertEquals("failed", scene.event("created", "ext_9", START, claim.keyPrefix() + ":y", id, null, "{name:'Ada'}"));
        assertEquals(1, scene.customers());
    }

    @Test
    void what_was_edited_there_is_kept_when_the_record_is_deleted_after_an_update_of_unknown_outcome() throws SQLException {
        var id = scene.linked("{name:'Ada', email:'a@example.com'}");
        scene.edit(id, START + 1, "{name:'Ada King'}");
        scene.hub.fail(scene.hub.claim(id), false);
        assertEquals("deferred", scene.updated("ext_" + id, START + 5, "{name:'Ada King', email:'a@example.com'}", "{name:'Ada King', email:'b@example.com'}"));
        scene.delete(id);
        var fetch = scene.hub.claim(id);
        assertEquals("fetch", fetch.action());
        scene.settle(fetch, "ext_" + id, "{name:'Ada King', email:'b@example.com'}", START + 6);
        assertTrue(scene.conflicts().contains("email a@example.com > - | b@example.com: hub"), () -> "conflicts");
        assertEquals("delete", scene.hub.claim(id).action());
    }

    @Test
    void a_new_record_with_the_id_of_one_that_is_gone_is_a_new_object() throws SQLException {
        var id = scene.linked("{name:'Ada'}");
        scene.delete(id);
        scene.settle(scene.hub.claim(id), "ext_1", null, START + 1);
        scene.sql.run("insert into customers (id, name) values (?::bigint, 'Grace')", id);
        var claim = scene.hub.claim(id);
        assertEquals("create", claim.action());
        assertFalse(claim.keyPrefix().equals(scene.hub.key("1:0")), claim.keyPrefix());
        scene.settle(claim, "ext_2", "{name:'Grace'}", START + 2);
        assertEquals("tombstone", scene.updated("ext_1", START + 3, null, "{name:'Ada'}"));
        assertEquals("applied", scene.updated("ext_2", START + 3, "{name:'Grace'}", "{name:'Barbara'}"));
        assertEquals(state("{name:'Barbara'}"), scene.customer(id));
    }

    @Test
    void a_record_that_comes_while_its_predecessor_is_deleted_is_looked_at() throws SQLException {
        var id = scene.linked("{name:'Ada'}");
        scene.delete(id);
        var claim = scene.hub.claim(id);
        scene.sql.run("insert into customers (id, name) values (?::bigint, 'Grace')", id);
        assertEquals("busy", scene.hub.claim(id).action());
        scene.quiet();
        assertEquals("gone", scene.settle(claim, "ext_1", null, START + 1));
        assertEquals(1, scene.pokes(id));
        assertEquals(state("{name:'Grace'}"), scene.customer(id));
    }

    // Reading.

    @Test
    void a_read_is_merged_with_the_time_of_the_event_that_asked_for_it() throws SQLException {
        var id = scene.linked("{name:'Ada'}");
        scene.updated("ext_1", START, "{name:'x'}", "{name:'Edsger'}");
        var fetch = scene.hub.claim(id);
        scene.edit(id, START + 10, "{name:'Grace'}");
        scene.settle(fetch, "ext_1", "{name:'Edsger'}", START + 60);
        assertEquals(List.of("name Ada > Grace | Edsger: hub"), scene.conflicts());
    }

    @Test
    void a_read_that_failed_is_asked_for_again() throws SQLException {
        var id = scene.linked("{name:'Ada'}");
        scene.updated("ext_1", START, "{name:'x'}", "{name:'Edsger'}");
        scene.hub.fail(scene.hub.claim(id), false);
        scene.hub.fail(scene.hub.claim(id), true);
        assertEquals("fetch", scene.hub.claim(id).action());
        expireLease(id);
        assertEquals("fetch", scene.hub.claim(id).action());
    }

    @Test
    void a_hub_edit_goes_out_after_the_read() throws SQLException {
        var id = scene.linked("{name:'Ada'}");
        scene.updated("ext_1", START, "{name:'x'}", "{name:'Ada', email:'a@x'}");
        scene.edit(id, START + 1, "{name:'Grace'}");
        var fetch = scene.hub.claim(id);
        assertEquals("fetch", fetch.action());
        scene.quiet();
        scene.settle(fetch, "ext_1", "{name:'Ada', email:'a@x'}", START + 1);
        assertEquals(1, scene.pokes(id));
        assertEquals("update", scene.hub.claim(id).action());
        assertEquals(state("{name:'Grace', email:'a@x'}"), scene.customer(id));
    }

    // Answers that the hub cannot take.

    @Test
    void an_answer_that_the_table_refuses_settles_the_write_and_is_kept_as_a_failure() throws SQLException {
        var id = scene.linked("{name:'Ada'}");
        scene.edit(id, START + 1, "{name:'Grace'}");
        var claim = scene.hub.claim(id);
        scene.quiet();
        assertEquals("failed", scene.settle(claim, "ext_1", "{name:'Grace', address:'no object'}", START + 2));
        assertEquals("in 23514", scene.sql.text("select direction || ' ' || code from sync.failure"));
        assertEquals(state("{name:'Grace'}"), scene.customer(id));
        assertEquals(0, scene.pokes(id));
        assertEquals("none", scene.hub.claim(id).action());
    }

    @Test
    void a_deletion_that_the_table_refuses_is_kept_as_a_failure() throws SQLException {
        var id = scene.linked("{name:'Ada'}");
        scene.sql.run("create table orders (customer bigint references customers)");
        scene.sql.run("insert into orders values (?::bigint)", id);
        scene.edit(id, START + 1, "{name:'Grace'}");
        scene.settle(scene.hub.claim(id), null, null, START + 2);
        scene.quiet();
        assertEquals("failed", scene.settle(scene.hub.claim(id), "ext_1", null, START + 3));
        assertEquals("in 23503", scene.sql.text("select direction || ' ' || code from sync.failure"));
        assertEquals(0, scene.pokes(id));
        scene.sql.run("drop table orders");
    }

    @Test
    void a_row_that_is_locked_too_long_fails_the_settle_and_changes_nothing() throws SQLException {
        var id = scene.linked("{name:'Ada'}");
        scene.updated("ext_1", START, "{name:'x'}", "{name:'Edsger'}");
        var fetch = scene.hub.claim(id);
        var before = scene.link(id);
        try (var user = Sql.open(database.dataSource())) {
            user.connection().setAutoCommit(false);
            user.run("update customers set name = 'Grace'");
            scene.hub.patience = Duration.ofMillis(50);
            assertEquals("55P03", assertThrows(PSQLException.class, () -> scene.settle(fetch, "ext_1", "{name:'Edsger'}", START)).getSQLState());
            user.connection().rollback();
        } finally {
            scene.hub.patience = Duration.ofSeconds(5);
        }
        assertEquals(before, scene.link(id));
        assertEquals(0, scene.sql.number("select count(*) from sync.failure"));
        assertEquals("settled", scene.settle(fetch, "ext_1", "{name:'Edsger'}", START));
        assertEquals(state("{name:'Edsger'}"), scene.customer(id));
    }

    @Test
    void a_row_that_is_deleted_while_a_field_of_it_is_put_back_empties_nothing() throws Exception {
        var id = scene.linked("{name:'Ada', email:'a@x'}");
        sql.run("insert into sync.integration (system, entity, fields, policy, defined_in) values ('stripe', 'customers', ?::text[], 'newest, email: in', 'a test')", Hub.FIELDS);
        try (var user = Sql.open(database.dataSource()); var worker = Sql.open(database.dataSource())) {
            scene.edit(id, START + 1, "{email:'b@x'}");
            user.connection().setAutoCommit(false);
            user.run("delete from customers where id = ?::bigint", id);
            var claim = CompletableFuture.supplyAsync(() -> Writes.claim(worker, "stripe", "customers", id, Hub.FIELDS));
            Awaitility.await().until(() -> sql.number("select count(*) from pg_locks where not granted") > 0);
            user.connection().commit();
            var claimed = claim.get(10, TimeUnit.SECONDS);
            assertTrue(List.of("delete", "none").contains(claimed.get("action")), claimed.toString());
        } finally {
            sql.run("delete from sync.integration");
        }
    }

    @Test
    void what_is_refused_at_the_commit_is_told_by_the_settle() throws Exception {
        sql.run("create table known (name text primary key)");
        sql.run("insert into known select unnest(array['Ada', 'Grace'])");
        sql.run("alter table customers add constraint known foreign key (name) references known deferrable initially deferred");
        try {
            var id = scene.linked("{name:'Ada'}");
            scene.updated("ext_" + id, START, "{name:'x'}", "{name:'Grace'}");
            var fetch = scene.hub.claim(id);
            assertEquals("fetch", fetch.action());
            assertEquals("23503", assertThrows(PSQLException.class, () -> scene.settle(fetch, "ext_" + id, "{name:'Nobody'}", START + 1)).getSQLState());
        } finally {
            sql.run("alter table customers drop constraint known");
            sql.run("drop table known");
        }
    }

    @Test
    void an_answer_whose_time_is_none_is_told() throws Exception {
        var claim = scene.hub.claim(scene.insert("{name:'Ada'}"));
        assertThrows(DataIntegrityViolationException.class, () -> Writes.settle(sql, "stripe", "customers", claim.recordId(), claim.token(), "ext_1", "{}", Double.NaN, false,
                Hub.FIELDS, "newest"));
        assertEquals("settled", scene.settle(claim, "ext_1", "{name:'Ada'}", START));
    }

    @Test
    void a_record_that_is_parked_does_not_wait_for_what_is_there() throws Exception {
        var id = scene.insert("{name:'Ada'}");
        var claim = scene.hub.claim(id);
        sql.run("select sync.record_failure('stripe', 'customers', ?, 'out', 'transient', 'reference', 'it refers to somebody', null, null)", id);
        assertEquals("parked", Writes.fail(sql, "stripe", "customers", id, claim.token(), "fatal", false, false, "401", "no", null, null));
        assertEquals(0, sql.number("select count(*) from sync.failure"));
        sql.run("delete from sync.system");
    }

    // Parts.

    @Test
    void a_part_that_is_added_there_while_its_record_is_read_stays_linked() throws SQLException {
        assertEquals("created", invoiceEvent(1, "[]"));
        var id = sql.text("select record_id from sync.link where entity = 'invoices'");
        sql.run("update sync.link set look_at = to_timestamp(1) where entity = 'invoices'");
        var read = claimInvoice(id);
        assertEquals("fetch", read.get("action"));
        assertEquals("deferred", invoiceEvent(2, LINES));
        assertEquals("settled", settleInvoice(id, read, "[]"));
        var again = claimInvoice(id);
        assertEquals("fetch", again.get("action"));
        assertEquals("settled", settleInvoice(id, again, LINES));
        assertEquals("ii_1", sql.text("select external_id from sync.link l join invoice_items i on l.record_id = i.id::text and l.entity = 'invoice_items'"));
        assertEquals(0, sql.number("select count(*) from sync.tombstone where external_id = 'ii_1'"));
        sql.run("delete from invoices");
    }

    @Test
    void what_is_taken_for_a_record_with_parts_asks_for_no_write() throws SQLException {
        assertEquals("created", invoiceEvent(1, LINES));
        scene.quiet();
        assertEquals("applied", Events.apply(sql, "invoices", json("{id:'evt_memo', type:'invoice.updated', at:2, external_id:'in_1', deleted:false}"), invoice(LINES, "theirs"),
                invoice(LINES, "ours"), null, INVOICE, "newest"));
        assertEquals(0, sql.number("select count(*) from sync.outbox where target = 'stripe'"));
        sql.run("delete from invoices");
    }

    /** Stripe keeps no product for a credit. */
    @Test
    void a_reference_that_the_other_side_does_not_hold_survives_edits_there_and_goes_out_once_it_can() throws SQLException {
        assertEquals("created", invoiceEvent(1, LINES));
        var id = sql.text("select record_id from sync.link where entity = 'invoices'");
        var product = sql.text("insert into products (name) values ('Saddle') returning id");
        sql.run("insert into sync.link (system, entity, record_id, external_id) values ('stripe', 'products', ?, 'prod_1')", product);
        sql.run("update invoice_items set product_id = (select id from products)");
        assertEquals("settled", settleInvoice(id, claimInvoice(id), LINES));
        assertEquals("none", claimInvoice(id).get("action"));
        assertEquals("applied", invoiceEvent(2, LINES.replace("a saddle", "a new saddle")));
        assertEquals("applied", invoiceEvent(3, LINES.replace("a saddle", "a new saddle").replace("unit_amount:5", "unit_amount:7")));
        assertEquals("a new saddle 7 " + product, sql.text("select concat_ws(' ', description, unit_amount, product_id) from invoice_items"));
        assertEquals("0", sql.text("select count(*) from sync.conflict"));
        assertEquals("update", claimInvoice(id).get("action"));
        sql.run("delete from invoices");
        sql.run("delete from products");
    }

    @Test
    void a_reference_that_both_sides_gave_a_part_is_a_conflict() throws SQLException {
        assertEquals("created", invoiceEvent(1, LINES));
        sql.run("insert into products (name) values ('ours'), ('theirs')");
        sql.run("insert into sync.link (system, entity, record_id, external_id) select 'stripe', 'products', id::text, 'prod_' || name from products");
        sql.run("update invoice_items set product_id = (select id from products where name = 'ours')");
        assertEquals("conflict", invoiceEvent(2, LINES.replace("unit_amount:5", "unit_amount:5, product_id:'prod_theirs'")));
        assertEquals("1", sql.text("select count(*) from sync.conflict"));
        sql.run("delete from invoices");
        sql.run("delete from products");
    }

    @Test
    void an_edit_of_a_part_there_while_another_column_of_it_is_written_is_taken() throws SQLException {
        assertEquals("created", invoiceEvent(1, LINES));
        var id = sql.text("select record_id from sync.link where entity = 'invoices'");
        sql.run("update invoice_items set quantity = 2");
        var claim = claimInvoice(id);
        assertEquals("update", claim.get("action"));
        assertEquals("settled", settleInvoice(id, claim, LINES.replace("a saddle", "a new saddle").replace("quantity:1", "quantity:2")));
        assertEquals("a new saddle 2", sql.text("select concat_ws(' ', description, quantity) from invoice_items"));
        assertEquals("none", claimInvoice(id).get("action"));
        sql.run("delete from invoices");
    }

    // What a person decides, and what nobody could see.

    @Test
    void a_cancelled_delete_of_one_system_leaves_the_brake_of_another() throws SQLException {
        scene.sql.run("insert into sync.integration (system, entity, fields, policy, defined_in) select s, 'customers', '{name}', 'newest', '' from unnest(array['stripe', 'crm']) s");
        scene.sql.run("insert into customers (name) select 'wrong ' || n from generate_series(1, 30) n");
        scene.sql.run("insert into sync.link (system, entity, record_id, external_id, hub_base, remote_base)"
                + " select s, 'customers', id::text, s || id, '{}', '{}' from customers, unnest(array['stripe', 'crm']) s");
        var id = scene.sql.text("select min(id) from customers");
        scene.sql.run("insert into sync.deletion select 'customers', id::text, now() from customers");
        scene.sql.run("delete from customers");
        assertEquals("none", Writes.action(scene.sql, "stripe", "customers", id, "{name}"));
        assertTrue(scene.sql.text("select sync.cancel_deletes('stripe', 'customers')").startsWith("30 objects and rows stay"));
        assertEquals("none", Writes.action(scene.sql, "crm", "customers", id, "{name}"));
        assertEquals("crm", scene.sql.text("select system from sync.brake"));
    }

    @Test
    void a_row_is_deleted_there_once_its_delete_is_captured_and_one_that_is_missing_without_is_asked_about() throws SQLException {
        scene.sql.run("insert into sync.integration (system, entity, fields, policy, defined_in) values ('stripe', 'customers', '" + Hub.FIELDS + "', 'newest', '')");
        var id = scene.linked("{name:'Ada'}");
        scene.delete(id);
        assertEquals("none", scene.hub.claim(id).action()); // an older message, say
        assertEquals(0, scene.sql.number("select count(*) from sync.failure"));
        scene.sql.run("select sync.outbox_claim('me', '1 minute', 0, 1000, 1000000)");
        assertEquals("delete", scene.hub.claim(id).action());

        var missing = scene.linked("{name:'Grace'}");
        scene.sql.run("alter table customers disable trigger sync_capture_delete");
        scene.delete(missing);
        scene.sql.run("alter table customers enable always trigger sync_capture_delete");
        assertEquals("none", scene.hub.claim(missing).action());
        assertTrue(scene.sql.text("select reason from sync.failure").contains("nobody was seen deleting it"));
    }

    @Test
    void a_create_that_is_answered_without_an_object_is_a_failure_and_not_repeated() throws SQLException {
        var id = scene.insert("{name:'Ada'}");
        var claim = scene.hub.claim(id);
        assertEquals("failed", scene.settle(claim, null, null, START));
        assertEquals("permanent no_object", scene.sql.text("select class || ' ' || code from sync.failure"));
        assertEquals("create", scene.link(id).get("in_flight_op").asText());
    }

    @Test
    void a_row_that_somebody_has_locked_fails_for_a_moment_and_not_its_worker() throws SQLException {
        scene.sql.run("insert into sync.integration (system, entity, fields, policy, defined_in) values ('stripe', 'customers', '" + Hub.FIELDS + "', 'newest, email:in', '')");
        var id = scene.linked("{name:'Ada', email:'a@x'}");
        scene.edit(id, START + 1, "{email:'b@x'}");
        try (var somebody = Sql.open(database.dataSource())) {
            somebody.connection().setAutoCommit(false);
            somebody.run("select from customers for update");
            assertEquals("waiting", scene.hub.claim(id).action());
            assertEquals("transient locked", scene.sql.text("select class || ' ' || code from sync.failure"));
        }
        assertEquals("none", scene.hub.claim(id).action());
        assertEquals("a@x", scene.sql.text("select email from customers"));
    }

    @Test
    void an_object_that_was_refused_alone_stops_its_kind_again_later() throws SQLException {
        assertEquals("true", scene.sql.text("select sync.stop_scope('stripe', 'customers', 'out', 'write', 'no', '1')"));
        scene.sql.run("select sync.open_scope('stripe', 'customers', 'out')");
        assertEquals("false", scene.sql.text("select sync.stop_scope('stripe', 'customers', 'out', 'write', 'no', '1')"));
        scene.sql.run("update sync.scope set opened_at = opened_at - interval '11 minutes'");
        assertEquals("true", scene.sql.text("select sync.stop_scope('stripe', 'customers', 'out', 'write', 'no', '1')"));
    }

    /** How long the only failure still waits, in milliseconds. */
    private long pause() throws SQLException {
        return scene.sql.number("select (extract(epoch from next_attempt_at - clock_timestamp()) * 1000)::bigint from sync.failure");
    }

    private void expireLease(String id) throws SQLException {
        scene.sql.run("update sync.link set lease_until = '-infinity' where record_id = ?", id);
    }

    private static String invoice(String lines, String memo) {
        return json("{currency:'EUR', memo:'" + memo + "', invoice_items:" + lines + "}");
    }

    @Test
    void a_part_is_known_by_any_id() throws Exception {
        sql.run("create table carts (id bigint primary key)");
        sql.run("create table cart_lines (sku text primary key, cart_id bigint references carts, quantity integer)");
        sql.run("select sync.track('carts')");
        sql.run("select sync.track('cart_lines', 'carts')");
        try {
            sql.run("insert into carts values (1)");
            sql.run("insert into cart_lines values (?, 1, 2)", "red, \"large\" \\ {1}");
            sql.run("insert into sync.link (system, entity, record_id, external_id, hub_base, remote_base) values ('stripe', 'carts', '1', 'cart_1', '{}', '{}')");
            sql.run("insert into sync.link (system, entity, record_id, external_id, whole) select 'stripe', 'cart_lines', sku, 'line_1', '1' from cart_lines");
            sql.run("update sync.link set hub_base = jsonb_build_object('cart_lines/' || (select sku from cart_lines), '{\"quantity\": 1}'::jsonb),"
                    + " remote_base = jsonb_build_object('cart_lines/' || (select sku from cart_lines), '{\"quantity\": 1}'::jsonb) where entity = 'carts'");
            var claim = Writes.claim(sql, "stripe", "carts", "1", "{cart_lines/*}");
            assertEquals("update", claim.get("action"));
            assertEquals("line_1", Hub.object(claim.get("record")).get("cart_lines/red, \"large\" \\ {1}").get("external_id").asText());
        } finally {
            sql.run("select sync.untrack('cart_lines')");
            sql.run("select sync.untrack('carts')");
            sql.run("drop table cart_lines, carts");
        }
    }

    private static String invoiceEvent(int at, String lines) throws SQLException {
        return Events.apply(sql, "invoices", json("{id:'evt_" + System.nanoTime() + "', type:'invoice.updated', at:" + at + ", external_id:'in_1', deleted:false}"),
                invoice(lines, "ours"), null, null, INVOICE, "newest");
    }

    private static Map<String, Object> claimInvoice(String id) throws SQLException {
        return Writes.claim(sql, "stripe", "invoices", id, INVOICE);
    }

    private static String settleInvoice(String id, Map<String, Object> claim, String lines) throws SQLException {
        return Writes.settle(sql, "stripe", "invoices", id, claim.get("token"), "in_1", invoice(lines, "ours"), 1, false, INVOICE, "newest");
    }

    private static String json(String lenient) {
        return Scene.json(lenient).toString();
    }
}
