package io.bactrian.sync;

import static io.bactrian.sync.Scene.START;
import static io.bactrian.sync.Scene.state;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.bactrian.TestServices;
import io.bactrian.store.Events;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.postgresql.util.PSQLException;
import org.springframework.dao.InvalidDataAccessApiUsageException;

/** What an inbound event does to the hub, alone and against edits in the hub. */
class ApplyInboundTest {

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
    }

    // The merge, field by field.

    @Test
    void a_field_that_nobody_moved_stays() throws SQLException {
        var id = scene.linked("{name:'Ada'}");
        assertEquals("unchanged", scene.updated("ext_1", START + 1, "{name:'Ada'}", "{name:'Ada'}"));
        assertEquals(state("{name:'Ada'}"), scene.customer(id));
        assertEquals(0, scene.sql.number("select count(*) from sync.outbox"));
    }

    @Test
    void a_field_that_the_remote_moved_is_taken() throws SQLException {
        var id = scene.linked("{name:'Ada', email:'a@x', address:{city:'London'}}");
        assertEquals("applied", scene.updated("ext_1", START + 1, "{name:'Ada', email:'a@x', address:{city:'London'}}", "{name:'Grace', address:{city:'York'}}"));
        assertEquals(state("{name:'Grace', address:{city:'York'}}"), scene.customer(id));
        assertEquals(List.of("stripe"), scene.sql.texts("select origin from sync.outbox"));
        assertEquals("none", scene.hub.claim(id).action());
    }

    @Test
    void a_field_that_the_hub_moved_is_kept_and_goes_out() throws SQLException {
        var id = scene.linked("{name:'Ada'}");
        scene.edit(id, START + 1, "{name:'Grace'}");
        assertEquals("applied", scene.updated("ext_1", START + 2, "{name:'Ada'}", "{name:'Ada', email:'a@x'}"));
        assertEquals(state("{name:'Grace', email:'a@x'}"), scene.customer(id));
        var claim = scene.hub.claim(id);
        assertEquals("update", claim.action());
        assertEquals("Ada", claim.base().get("name").asText());
        assertEquals("a@x", claim.base().get("email").asText());
    }

    @Test
    void a_field_that_both_moved_to_the_same_is_agreed() throws SQLException {
        var id = scene.linked("{name:'Ada'}");
        scene.edit(id, START + 1, "{name:'Grace'}");
        assertEquals("unchanged", scene.updated("ext_1", START + 2, "{name:'Ada'}", "{name:'Grace'}"));
        assertEquals("none", scene.hub.claim(id).action());
        assertEquals(List.of(), scene.conflicts());
    }

    @ParameterizedTest
    @CsvSource({
        "newest, -1, Grace", // the remote's edit is the older one
        "newest,  0, Grace", // of the same second: counts as the older one
        "newest,  1, Edsger",
        "hub,     1, Grace",
        "remote, -1, Edsger"})
    void of_a_field_that_both_moved_the_policy_decides_and_all_three_are_kept(String policy, long later, String winner) throws SQLException {
        var id = scene.linked("{name:'Ada'}");
        scene.hub.policy = policy;
        scene.edit(id, START + 10, "{name:'Grace'}");
        assertEquals("conflict", scene.updated("ext_1", START + 10 + later, "{name:'Ada'}", "{name:'Edsger'}"));
        assertEquals(winner, scene.customer(id).get("name").asText());
        assertEquals(List.of("name Ada > Grace | Edsger: " + (winner.equals("Grace") ? "hub" : "remote")), scene.conflicts());
        scene.quiet();
        var claim = scene.hub.claim(id);
        assertEquals(winner.equals("Grace") ? "update" : "none", claim.action());
    }

    @Test
    void a_conflict_that_the_hub_won_still_goes_out_when_the_hub_goes_back() throws SQLException {
        var id = scene.linked("{name:'Ada'}");
        scene.edit(id, START + 10, "{name:'Grace'}");
        scene.updated("ext_1", START + 1, "{name:'Ada'}", "{name:'Edsger'}");
        scene.edit(id, START + 11, "{name:'Ada'}");
        var claim = scene.hub.claim(id);
        assertEquals("update", claim.action());
        assertEquals("Edsger", claim.base().get("name").asText());
    }

    @Test
    void an_unknown_policy_is_a_failure_that_names_the_choices() throws SQLException {
        var id = scene.linked("{name:'Ada'}");
        scene.hub.policy = "oldest";
        scene.edit(id, START + 1, "{name:'Grace'}");
        assertEquals("failed", scene.updated("ext_1", START + 2, "{name:'Ada'}", "{name:'Edsger'}"));
        assertEquals("unknown conflict policy oldest: use newest, hub, remote, once, in or out", scene.sql.text("select reason from sync.failure"));
    }

    @Test
    void the_hub_wins_where_a_table_has_no_updated_at() throws SQLException {
        scene.sql.run("create table notes (id bigint generated by default as identity primary key, name text)");
        scene.sql.run("select sync.track('notes')");
        scene.sql.run("insert into notes (name) values ('a')");
        var token = Writes.claim(scene.sql, "stripe", "notes", "1", "{name}").get("token");
        Writes.settle(scene.sql, "stripe", "notes", "1", token, "ext_n", "{\"name\":\"a\"}", START, false, "{name}", "newest");
        scene.sql.run("update notes set name = 'hub'");
        var outcome = Events.apply(scene.sql, "notes", Scene.json("{id:'evt_n', type:'x', at:9999999999, external_id:'ext_n', deleted:false}").toString(),
                "{\"name\":\"remote\"}", "{\"name\":\"a\"}", null, "{name}", "newest");
        assertEquals("conflict", outcome);
        assertEquals("hub", scene.sql.text("select name from notes"));
        scene.sql.run("select sync.untrack('notes')");
        scene.sql.run("drop table notes");
    }

    @Test
    void edits_of_different_fields_both_survive() throws SQLException {
        var id = scene.linked("{name:'Ada', email:'a@x'}");
        scene.edit(id, START + 1, "{name:'Grace'}");
        var claim = scene.hub.claim(id);
        // The remote's edit reaches it just before ours.
        assertEquals("settled", scene.settle(claim, "ext_1", "{name:'Grace', email:'b@x'}", START + 2));
        assertEquals(state("{name:'Grace', email:'b@x'}"), scene.customer(id));
        assertEquals("unchanged", scene.updated("ext_1", START + 1, "{name:'Ada', email:'a@x'}", "{name:'Ada', email:'b@x'}"));
        assertEquals(List.of(), scene.conflicts());
        assertEquals("none", scene.hub.claim(id).action());
    }

    @Test
    void a_remote_that_trims_neither_loops_nor_damages_the_hubs_copy() throws SQLException {
        var id = scene.insert("{name:'Ada', description:'  long  '}");
        assertEquals("settled", scene.settle(scene.hub.claim(id), "ext_1", "{name:'Ada', description:'long'}", START));
        assertEquals("none", scene.hub.claim(id).action());
        assertEquals("applied", scene.updated("ext_1", START + 1, "{name:'Ada', description:'long'}", "{name:'Grace', description:'long'}"));
        assertEquals(state("{name:'Grace', description:'  long  '}"), scene.customer(id));
        scene.edit(id, START + 2, "{description:'  longer  '}");
        assertEquals("settled", scene.settle(scene.hub.claim(id), "ext_1", "{name:'Grace', description:'longer'}", START + 2));
        assertEquals("none", scene.hub.claim(id).action());
        assertEquals(List.of(), scene.conflicts());
    }

    @Test
    void a_field_is_cleared_in_both_directions() throws SQLException {
        var id = scene.linked("{name:'Ada', email:'a@x', address:{city:'London'}}");
        scene.updated("ext_1", START + 1, "{name:'Ada', email:'a@x', address:{city:'London'}}", "{name:'Ada', email:'a@x'}");
        assertEquals(state("{name:'Ada', email:'a@x'}"), scene.customer(id));
        scene.edit(id, START + 2, "{email:null}");
        var claim = scene.hub.claim(id);
        assertTrue(claim.record().get("email").isNull());
        assertEquals("a@x", claim.base().get("email").asText());
    }

    // Identity.

    @Test
    void an_object_made_outside_becomes_a_record() throws SQLException {
        assertEquals("created", scene.created("ext_9", START, "{name:'Ada', address:{city:'London'}}"));
        assertEquals(state("{name:'Ada', address:{city:'London'}}"), scene.customer("1"));
        assertEquals("none", scene.hub.claim("1").action());
        assertEquals("ext_9", scene.link("1").get("external_id").asText());
        assertEquals("applied", scene.updated("ext_9", START, "{name:'Ada', address:{city:'London'}}", "{name:'Grace', address:{city:'London'}}"));
    }

    @Test
    void what_an_object_lacks_is_left_to_the_tables_defaults() throws SQLException {
        scene.sql.run("create table notes (id bigint generated by default as identity primary key, name text not null default 'none', email text)");
        scene.sql.run("select sync.track('notes')");
        for (var remote : List.of("{\"email\":\"a@x\", \"name\":null}", "{}")) {
            assertEquals("created", Events.apply(scene.sql, "notes", Scene.json("{id:'evt" + remote.length() + "', type:'x', at:1, external_id:'ext" + remote.length() + "', deleted:false}").toString(), remote, null, null, "{name,email}", "newest"));
        }
        assertEquals(List.of("none a@x", "none -"), scene.sql.texts("select name || ' ' || coalesce(email, '-') from notes order by id"));
        assertEquals("none", Writes.action(scene.sql, "stripe", "notes", "1", "{name,email}"));
        scene.sql.run("select sync.untrack('notes')");
        scene.sql.run("drop table notes");
    }

    @Test
    void two_customers_with_one_email_stay_two() throws SQLException {
        scene.linked("{name:'Ada', email:'a@x'}");
        scene.created("ext_9", START, "{name:'Ada', email:'a@x'}");
        scene.insert("{name:'Ada', email:'a@x'}");
        assertEquals("create", scene.hub.claim("3").action());
        assertEquals(3, scene.customers());
        assertEquals(3, scene.sql.number("select count(*) from sync.link"));
    }

    @Test
    void an_object_that_points_to_an_unlinked_record_is_adopted() throws SQLException {
        var id = scene.insert("{name:'Ada', email:'hub@x'}");
        scene.quiet();
        assertEquals("conflict", scene.event("updated", "ext_9", START - 5, null, id, null, "{name:'Ada', email:'remote@x', description:'old'}"));
        assertEquals(state("{name:'Ada', email:'hub@x', description:'old'}"), scene.customer(id));
        assertEquals(List.of("email - > hub@x | remote@x: hub"), scene.conflicts());
        assertEquals(1, scene.pokes(id));
        var claim = scene.hub.claim(id);
        assertEquals("update ext_9", claim.action() + " " + claim.externalId());
        assertEquals("remote@x", claim.base().get("email").asText());
    }

    @Test
    void what_the_hub_alone_has_goes_out_to_an_adopted_object() throws SQLException {
        var id = scene.insert("{name:'Ada', email:'hub@x'}");
        scene.quiet();
        assertEquals("unchanged", scene.event("updated", "ext_9", START, null, id, null, "{name:'Ada'}"));
        assertEquals(1, scene.pokes(id));
        assertEquals("update", scene.hub.claim(id).action());
        assertEquals(List.of(), scene.conflicts());
    }

    @Test
    void an_object_that_points_to_another_objects_record_is_a_record_of_its_own() throws SQLException {
        var id = scene.linked("{name:'Ada'}");
        assertEquals("created", scene.event("created", "ext_9", START, null, id, null, "{name:'Grace'}"));
        assertEquals(state("{name:'Ada'}"), scene.customer(id));
        assertEquals(2, scene.customers());
    }

    @Test
    void an_object_that_points_to_a_record_that_is_gone_or_never_was_is_a_record_of_its_own() throws SQLException {
        var id = scene.linked("{name:'Ada'}");
        scene.delete(id);
        scene.settle(scene.hub.claim(id), "ext_1", null, START + 1);
        assertEquals("created", scene.event("created", "ext_8", START, null, id, null, "{name:'Grace'}"));
        assertEquals("created", scene.event("created", "ext_9", START, null, "4711", null, "{name:'Edsger'}"));
        assertEquals(2, scene.customers());
    }

    @Test
    void the_deletion_of_an_object_that_only_points_to_a_record_leaves_the_record() throws SQLException {
        var id = scene.insert("{name:'Ada'}");
        assertEquals("deleted", scene.event("deleted", "ext_9", START, null, id, null, "{}"));
        assertEquals(1, scene.customers());
        assertEquals("create", scene.hub.claim(id).action());
    }

    // Echoes.

    @Test
    void the_echo_of_a_settled_write_is_nothing() throws SQLException {
        var id = scene.linked("{name:'Ada'}");
        scene.edit(id, START + 1, "{name:'Grace'}");
        var claim = scene.hub.claim(id);
        scene.settle(claim, "ext_1", "{name:'Grace'}", START + 2);
        scene.edit(id, START + 3, "{name:'Edsger'}");
        assertEquals("echo", scene.event("updated", "ext_1", START + 2, claim.keyPrefix() + ":x", id, "{name:'Ada'}", "{name:'Grace'}"));
        assertEquals(state("{name:'Edsger'}"), scene.customer(id));
        assertEquals("update", scene.hub.claim(id).action());
        assertEquals(List.of(), scene.conflicts());
    }

    @Test
    void the_echo_of_a_create_that_outruns_the_settle_creates_no_second_row() throws SQLException {
        var id = scene.insert("{name:'Ada'}");
        scene.hub.fail(scene.hub.claim(id), false);
        var claim = scene.hub.claim(id);
        assertEquals("echo", scene.event("created", "ext_9", START, claim.keyPrefix() + ":x", id, null, "{name:'Ada'}"));
        assertEquals("settled", scene.settle(claim, "ext_9", "{name:'Ada'}", START));
        assertEquals(1, scene.customers());
        assertEquals(0, sql.number("select count(*) from sync.failure"));
        assertEquals("none", scene.hub.claim(id).action());
    }

    @Test
    void a_created_event_without_request_that_outruns_the_settle_creates_no_second_row() throws SQLException {
        var id = scene.insert("{name:'Ada'}");
        var claim = scene.hub.claim(id);
        assertEquals("echo", scene.event("created", "ext_9", START, null, id, null, "{name:'Ada'}"));
        assertEquals("settled", scene.settle(claim, "ext_9", "{name:'Ada'}", START));
        assertEquals(1, scene.customers());
    }

    @Test
    void an_edit_that_outruns_the_echo_of_the_create_is_read_once_the_object_is_known() throws SQLException {
        var id = scene.insert("{name:'Ada', description:' long '}");
        var claim = scene.hub.claim(id);
        assertEquals("deferred", scene.event("updated", "ext_9", START + 5, null, id, "{name:'Ada', description:'long'}", "{name:'Grace', description:'long'}"));
        assertEquals(1, scene.customers());
        assertEquals("settled", scene.settle(claim, "ext_9", "{name:'Ada', description:'long'}", START));
        var fetch = scene.hub.claim(id);
        assertEquals("fetch", fetch.action());
        scene.settle(fetch, "ext_9", "{name:'Grace', description:'long'}", START + 6);
        assertEquals(state("{name:'Grace', description:' long '}"), scene.customer(id));
        assertEquals(List.of(), scene.conflicts());
    }

    @Test
    void an_echo_that_outruns_the_settle_of_an_update_takes_its_place() throws SQLException {
        var id = scene.linked("{name:'Ada'}");
        scene.edit(id, START + 1, "{name:'Grace'}");
        var claim = scene.hub.claim(id);
        assertEquals("echo", scene.event("updated", "ext_1", START + 2, claim.keyPrefix() + ":x", id, "{name:'Ada'}", "{name:'Grace'}"));
        assertEquals("applied", scene.updated("ext_1", START + 3, "{name:'Grace'}", "{name:'Edsger'}"));
        assertEquals("settled", scene.settle(claim, "ext_1", "{name:'Grace'}", START + 2));
        assertEquals(state("{name:'Edsger'}"), scene.customer(id));
        assertEquals("none", scene.hub.claim(id).action());
        assertEquals(List.of(), scene.conflicts());
    }

    @Test
    void an_echo_of_another_revision_is_not_mistaken_for_the_one_in_flight() throws SQLException {
        // Record 1 at revision 1: the pattern :1: is in every key of the record.
        var id = scene.linked("{name:'Ada'}");
        scene.edit(id, START + 1, "{name:'Grace'}");
        var claim = scene.hub.claim(id);
        assertEquals(scene.hub.key("1:1"), claim.keyPrefix());
        assertEquals("echo", scene.event("created", "ext_1", START, scene.hub.key("1:0:x"), id, null, "{name:'Ada'}"));
        assertEquals("update", scene.link(id).get("in_flight_op").asText());
    }

    @Test
    void only_a_pointer_into_this_installation_is_believed() throws SQLException {
        var ours = scene.hub.installation();
        var cases = new String[][] {{"7", ours, "ours"}, {"7", "another", "other"}, {"7", null, "unsaid"}, {"7", " ", "unsaid"}, {"x", ours, "none"},
            {"x", null, "none"}, {"x", "another", "other"}, {null, null, "none"}, {null, "another", "other"}, {"7", ours + "x", "other"}};
        for (var one : cases) {
            assertEquals(one[2], scene.sql.text("select sync.pointer('customers', ?, ?)", one[0], one[1]), () -> String.join(" ", one));
        }
        // A part that names no installation is one of a whole that is ours.
        assertEquals("7", scene.sql.text("select sync.own_pointer('{\"hub_id\": \"7\"}')"));
        assertEquals("7", scene.sql.text("select sync.own_pointer(jsonb_build_object('hub_id', '7', 'hub', ?::text))", ours));
        assertNull(scene.sql.text("select sync.own_pointer('{\"hub_id\": \"7\", \"hub\": \"another\"}')"));
    }

    @Test
    void a_key_of_ours_that_we_do_not_remember_is_only_a_hint() throws SQLException {
        // A hub restored from a backup: the remote knows of writes that we do not.
        var id = scene.linked("{name:'Ada'}");
        assertEquals("deferred", scene.event("updated", "ext_1", START + 9, scene.hub.key("1:7:x"), id, "{name:'Ada'}", "{name:'Grace'}"));
        assertEquals("fetch", scene.hub.claim(id).action());
    }

    // An edit there that our write replaced before its event came.

    @ParameterizedTest
    @CsvSource({
        "newest,  5, Grace,  hub",
        "newest, 15, Edsger, remote",
        "hub,    15, Grace,  hub",
        "remote,  5, Edsger, remote"})
    void what_our_write_replaced_unseen_is_a_conflict_whichever_event_comes_first(String policy, long at, String name, String winner) throws SQLException {
        for (boolean echoFirst : new boolean[] {true, false}) {
            scene = new Scene(sql);
            scene.hub.policy = policy;
            var id = scene.linked("{name:'Ada'}");
            scene.edit(id, START + 10, "{name:'Grace'}");
            var claim = scene.hub.claim(id);
            scene.settle(claim, "ext_1", "{name:'Grace'}", START + 20);
            // There it was Ada > Donald > Edsger by hand, > Grace by us. The event to Donald never comes.
            if (echoFirst) {
                scene.event("updated", "ext_1", START + 20, claim.keyPrefix() + ":x", id, "{name:'Edsger'}", "{name:'Grace'}");
                scene.updated("ext_1", START + at, "{name:'Donald'}", "{name:'Edsger'}");
            } else {
                scene.updated("ext_1", START + at, "{name:'Donald'}", "{name:'Edsger'}");
                scene.event("updated", "ext_1", START + 20, claim.keyPrefix() + ":x", id, "{name:'Edsger'}", "{name:'Grace'}");
            }
            assertEquals(List.of("name Ada > Grace | Edsger: " + winner), scene.conflicts());
            assertEquals(state("{name:'" + name + "'}"), scene.customer(id));
            scene.settle(scene.hub.claim(id), "ext_1", "{name:'Grace'}", START + 21); // the event that came late had it read
            assertEquals(name.equals("Grace") ? "none" : "update", scene.hub.claim(id).action());
        }
    }

    @Test
    void what_our_write_replaced_unseen_does_not_undo_a_later_edit() throws SQLException {
        scene.hub.policy = "remote";
        var id = scene.linked("{name:'Ada'}");
        scene.edit(id, START + 10, "{name:'Grace'}");
        var claim = scene.hub.claim(id);
        scene.settle(claim, "ext_1", "{name:'Grace'}", START + 20);
        scene.edit(id, START + 30, "{name:'Barbara'}");
        scene.event("updated", "ext_1", START + 20, claim.keyPrefix() + ":x", id, "{name:'Edsger'}", "{name:'Grace'}");
        assertEquals(state("{name:'Barbara'}"), scene.customer(id));
        assertEquals(List.of("name Ada > Grace | Edsger: hub"), scene.conflicts());
    }

    // Order.

    @Test
    void ignores_an_event_older_than_the_record() throws SQLException {
        var id = scene.linked("{name:'Ada'}");
        scene.updated("ext_1", START + 10, "{name:'Grace'}", "{name:'Edsger'}");
        assertEquals("unchanged", scene.updated("ext_1", START + 5, "{name:'Ada'}", "{name:'Edsger'}"));
        assertEquals("deferred", scene.updated("ext_1", START + 6, "{name:'Ada'}", "{name:'Grace'}"));
        assertEquals(state("{name:'Edsger'}"), scene.customer(id));
        assertEquals("fetch", scene.hub.claim(id).action());
    }

    @Test
    void applies_a_later_event_though_one_between_is_missing() throws SQLException {
        var id = scene.linked("{name:'Ada', email:'a@x'}");
        assertEquals("applied", scene.updated("ext_1", START + 10, "{name:'Grace', email:'b@x'}", "{name:'Edsger', email:'b@x'}"));
        assertEquals(state("{name:'Edsger', email:'b@x'}"), scene.customer(id));
        assertEquals("unchanged", scene.updated("ext_1", START + 5, "{name:'Ada', email:'a@x'}", "{name:'Ada', email:'b@x'}"));
    }

    @Test
    void applies_an_event_without_previous_when_it_is_later_and_reads_the_object_when_it_is_not() throws SQLException {
        var id = scene.linked("{name:'Ada'}");
        assertEquals("applied", scene.updated("ext_1", START + 1, null, "{name:'Grace'}"));
        assertEquals("unchanged", scene.updated("ext_1", START + 1, null, "{name:'Grace'}"));
        assertEquals("deferred", scene.updated("ext_1", START + 1, null, "{name:'Edsger'}"));
        assertEquals(state("{name:'Grace'}"), scene.customer(id));
        assertEquals(1, scene.pokes(id));
    }

    @Test
    void direct_successors_within_one_second_are_applied_as_they_come() throws SQLException {
        var id = scene.linked("{name:'Ada'}");
        assertEquals("applied", scene.updated("ext_1", START + 1, "{name:'Ada'}", "{name:'b'}"));
        assertEquals("applied", scene.updated("ext_1", START + 1, "{name:'b'}", "{name:'c'}"));
        assertEquals("applied", scene.updated("ext_1", START + 1, "{name:'c'}", "{name:'b'}"));
        assertEquals("applied", scene.updated("ext_1", START + 1, "{name:'b'}", "{name:'d'}"));
        assertEquals(state("{name:'d'}"), scene.customer(id));
        assertEquals("none", scene.hub.claim(id).action());
    }

    @Test
    void same_second_events_in_disorder_are_read() throws SQLException {
        var id = scene.linked("{name:'Ada'}");
        assertEquals("applied", scene.updated("ext_1", START + 1, "{name:'b'}", "{name:'c'}"));
        assertEquals("deferred", scene.updated("ext_1", START + 1, "{name:'Ada'}", "{name:'b'}"));
        assertEquals("fetch", scene.hub.claim(id).action());
    }

    @Test
    void there_and_back_within_one_second_ends_where_it_ended() throws SQLException {
        // Ada > b > Ada > b, all in one second. The third event comes first, and looks like the first.
        var id = scene.linked("{name:'Ada'}");
        assertEquals("applied", scene.updated("ext_1", START + 1, "{name:'Ada'}", "{name:'b'}"));
        assertEquals("unchanged", scene.updated("ext_1", START + 1, "{name:'Ada'}", "{name:'b'}"));
        assertEquals("deferred", scene.updated("ext_1", START + 1, "{name:'b'}", "{name:'Ada'}"));
        assertEquals("fetch", scene.hub.claim(id).action());
    }

    @Test
    void an_event_of_the_second_of_our_write_is_read() throws SQLException {
        var id = scene.linked("{name:'Ada'}");
        assertEquals("deferred", scene.updated("ext_1", START, "{name:'Ada'}", "{name:'Grace'}"));
        var fetch = scene.hub.claim(id);
        scene.settle(fetch, "ext_1", "{name:'Grace'}", START);
        assertEquals(state("{name:'Grace'}"), scene.customer(id));
    }

    @Test
    void an_event_about_other_fields_than_ours_is_nothing() throws SQLException {
        scene.linked("{name:'Ada'}");
        assertEquals("unchanged", scene.updated("ext_1", START, "{name:'Ada'}", "{name:'Ada'}"));
        assertEquals("applied", scene.updated("ext_1", START + 1, "{name:'Ada'}", "{name:'Grace'}"));
    }

    // While a write of ours is under way.

    @Test
    void an_edit_of_another_field_while_we_write_is_applied_and_then_verified() throws SQLException {
        var id = scene.linked("{name:'Ada'}");
        scene.edit(id, START + 1, "{name:'Grace'}");
        var claim = scene.hub.claim(id);
        assertEquals("applied", scene.updated("ext_1", START + 2, "{name:'Ada'}", "{name:'Ada', email:'a@x'}"));
        // The answer is older than the event; it must not take the e-mail back.
        assertEquals("settled", scene.settle(claim, "ext_1", "{name:'Grace'}", START + 2));
        assertEquals(state("{name:'Grace', email:'a@x'}"), scene.customer(id));
        assertEquals("fetch", scene.hub.claim(id).action());
    }

    @Test
    void an_edit_after_a_gap_while_we_write_is_read() throws SQLException {
        var id = scene.linked("{name:'Ada'}");
        scene.edit(id, START + 1, "{name:'Grace'}");
        var claim = scene.hub.claim(id);
        assertEquals("deferred", scene.updated("ext_1", START + 2, "{name:'Edsger'}", "{name:'Edsger', email:'a@x'}"));
        assertEquals(state("{name:'Grace'}"), scene.customer(id));
        scene.settle(claim, "ext_1", "{name:'Grace', email:'a@x'}", START + 3);
        assertEquals("fetch", scene.hub.claim(id).action());
    }

    @Test
    void a_late_event_that_tells_what_is_known_costs_no_read_even_while_we_write() throws SQLException {
        var id = scene.linked("{name:'Ada'}");
        scene.edit(id, START + 1, "{name:'Grace'}");
        var claim = scene.hub.claim(id);
        assertEquals("unchanged", scene.updated("ext_1", START - 1, "{name:'x'}", "{name:'Ada'}"));
        assertEquals("settled", scene.settle(claim, "ext_1", "{name:'Grace'}", START + 3));
        assertEquals("none", scene.hub.claim(id).action());
    }

    @Test
    void an_edit_of_the_same_field_while_we_write_is_read() throws SQLException {
        var id = scene.linked("{name:'Ada'}");
        scene.edit(id, START + 1, "{name:'Grace'}");
        var claim = scene.hub.claim(id);
        assertEquals("deferred", scene.updated("ext_1", START + 2, "{name:'Ada'}", "{name:'Edsger'}"));
        assertEquals("settled", scene.settle(claim, "ext_1", "{name:'Grace'}", START + 3));
        assertEquals("fetch", scene.hub.claim(id).action());
    }

    @Test
    void an_edit_while_we_read_asks_for_another_look() throws SQLException {
        var id = scene.linked("{name:'Ada'}");
        scene.updated("ext_1", START, "{name:'x'}", "{name:'b'}");
        var fetch = scene.hub.claim(id);
        assertEquals("fetch", fetch.action());
        assertTrue(scene.link(id).get("look_at").isNull());
        assertEquals("deferred", scene.updated("ext_1", START + 5, "{name:'Ada'}", "{name:'c'}"));
        scene.quiet();
        assertEquals("settled", scene.settle(fetch, "ext_1", "{name:'Ada'}", START + 4));
        assertEquals(1, scene.pokes(id));
        assertEquals("fetch", scene.hub.claim(id).action());
    }

    // Deletes.

    @Test
    void a_deletion_there_deletes_here_and_keeps_what_was_edited_meanwhile() throws SQLException {
        var id = scene.linked("{name:'Ada', email:'a@x'}");
        scene.edit(id, START + 1, "{name:'Grace'}");
        assertEquals("deleted", scene.deleted("ext_1", START + 2));
        assertNull(scene.customer(id));
        assertEquals(List.of("name Ada > Grace | -: remote"), scene.conflicts());
        assertEquals("none", scene.hub.claim(id).action());
        assertEquals(List.of("d"), scene.sql.texts("select op from sync.outbox where origin = 'stripe'"));
    }

    @Test
    void a_late_event_does_not_resurrect_a_record() throws SQLException {
        scene.linked("{name:'Ada'}");
        scene.deleted("ext_1", START + 5);
        assertEquals("tombstone", scene.updated("ext_1", START + 4, "{name:'Ada'}", "{name:'Grace'}"));
        assertEquals("tombstone", scene.event("updated", "ext_1", START + 6, null, "1", null, "{name:'Grace'}"));
        assertEquals("tombstone", scene.deleted("ext_1", START + 5));
        assertEquals(0, scene.customers());
        assertEquals(List.of(), scene.conflicts());
    }

    @Test
    void an_object_whose_deletion_comes_before_its_creation_never_becomes_a_record() throws SQLException {
        assertEquals("deleted", scene.deleted("ext_9", START + 1));
        assertEquals("tombstone", scene.created("ext_9", START, "{name:'Ada'}"));
        assertEquals(0, scene.customers());
    }

    @Test
    void an_edit_there_of_what_was_deleted_here_is_kept_and_the_delete_goes_out() throws SQLException {
        var id = scene.linked("{name:'Ada'}");
        scene.delete(id);
        assertEquals("conflict", scene.updated("ext_1", START + 1, "{name:'Ada'}", "{name:'Grace'}"));
        assertEquals(List.of("name Ada > - | Grace: hub"), scene.conflicts());
        assertEquals("delete", scene.hub.claim(id).action());
    }

    @Test
    void an_edit_there_that_comes_while_or_after_we_delete_is_kept_once() throws SQLException {
        var id = scene.linked("{name:'Ada'}");
        scene.delete(id);
        var claim = scene.hub.claim(id);
        assertEquals("conflict", scene.updated("ext_1", START + 1, "{name:'x'}", "{name:'Grace'}"));
        assertEquals("gone", scene.settle(claim, "ext_1", null, START + 5));
        assertEquals("tombstone", scene.updated("ext_1", START + 2, "{name:'Grace'}", "{name:'Grace', email:'a@x'}"));
        assertEquals("tombstone", scene.updated("ext_1", START + 1, "{name:'Ada'}", "{name:'Grace'}"));
        assertEquals(List.of("email - > - | a@x: hub", "name Ada > - | Grace: hub"), scene.conflicts());
        assertEquals(0, scene.customers());
    }

    @Test
    void an_edit_there_that_waits_to_be_read_is_read_before_we_delete() throws SQLException {
        var id = scene.linked("{name:'Ada'}");
        assertEquals("deferred", scene.updated("ext_1", START, "{name:'Ada'}", "{name:'Grace'}"));
        scene.delete(id);
        var fetch = scene.hub.claim(id);
        assertEquals("fetch", fetch.action());
        scene.quiet();
        assertEquals("settled", scene.settle(fetch, "ext_1", "{name:'Grace'}", START + 1));
        assertEquals(1, scene.pokes(id));
        assertEquals("delete", scene.hub.claim(id).action());
        assertEquals(List.of("name Ada > - | Grace: hub"), scene.conflicts());
    }

    @Test
    void what_our_write_replaced_unseen_is_kept_though_the_object_is_gone() throws SQLException {
        var id = scene.linked("{name:'Ada'}");
        scene.edit(id, START + 1, "{name:'Grace'}");
        var claim = scene.hub.claim(id);
        scene.settle(claim, "ext_1", "{name:'Grace'}", START + 2);
        scene.deleted("ext_1", START + 3);
        assertEquals("tombstone", scene.event("updated", "ext_1", START + 2, claim.keyPrefix() + ":x", id, "{name:'Edsger'}", "{name:'Grace'}"));
        assertEquals(List.of("name Ada > Grace | Edsger: hub"), scene.conflicts());
        assertEquals(0, scene.customers());
    }

    @Test
    void the_echo_of_our_delete_spares_a_new_record_of_the_same_id() throws SQLException {
        var id = scene.linked("{name:'Ada'}");
        scene.delete(id);
        var claim = scene.hub.claim(id);
        scene.sql.run("insert into customers (id, name) values (?::bigint, 'Grace')", id);
        scene.quiet();
        assertEquals("deleted", scene.event("deleted", "ext_1", START + 2, claim.keyPrefix() + ":x", id, null, "{name:'Ada'}"));
        assertEquals(state("{name:'Grace'}"), scene.customer(id));
        assertEquals(1, scene.pokes(id));
        assertEquals("lost", scene.settle(claim, "ext_1", null, START + 2));
        assertEquals("create", scene.hub.claim(id).action());
    }

    @Test
    void a_deletion_that_the_hub_refuses_is_a_failure() throws SQLException {
        var id = scene.linked("{name:'Ada'}");
        scene.sql.run("create table orders (customer bigint references customers)");
        scene.sql.run("insert into orders values (?::bigint)", id);
        assertEquals("failed", scene.deleted("ext_1", START + 1));
        assertEquals("1 23503", scene.sql.text("select record_id || ' ' || code from sync.failure where direction = 'in'"));
        assertTrue(scene.link(id).get("deleted_at").isNull());
        scene.sql.run("drop table orders");
    }

    // Once, and from many at once.

    @Test
    void a_duplicate_does_nothing() throws SQLException {
        var event = new ModelRemote.Event("evt_x", "created", START, null, new ModelRemote.Thing("ext_9", null, state("{name:'Ada'}")), null);
        assertEquals("created", scene.hub.apply(event));
        assertEquals("duplicate", scene.hub.apply(event));
        assertEquals(1, scene.customers());
        assertEquals(List.of("evt_x created"), scene.sql.texts("select event_id || ' ' || outcome from sync.event"));
    }

    @Test
    void one_event_delivered_eight_times_at_once_makes_one_record() throws Exception {
        var event = new ModelRemote.Event("evt_x", "created", START, null, new ModelRemote.Thing("ext_9", null, state("{name:'Ada'}")), null);
        var outcomes = atOnce(8, i -> hub -> hub.apply(event));
        assertEquals(1, outcomes.stream().filter("created"::equals).count());
        assertEquals(7, outcomes.stream().filter("duplicate"::equals).count());
        assertEquals(1, scene.customers());
    }

    @Test
    void different_events_about_an_unknown_object_at_once_make_one_record() throws Exception {
        var outcomes = atOnce(8, i -> hub -> hub.apply(new ModelRemote.Event("evt_x" + i, "updated", START + i, null,
                new ModelRemote.Thing("ext_9", null, state("{name:'n" + i + "'}")), null)));
        assertEquals(1, outcomes.stream().filter("created"::equals).count());
        assertEquals(1, scene.customers());
        assertEquals(1, scene.sql.number("select count(*) from sync.link"));
        // Whoever came last: the newest is there, or the object is to be read.
        assertTrue(scene.customer("1").get("name").asText().equals("n7") || scene.hub.claim("1").action().equals("fetch"));
    }

    @Test
    void an_adoption_and_a_claim_of_one_record_at_once_make_one_object_and_lose_nothing() throws Exception {
        for (int round = 0; round < 20; round++) {
            scene = new Scene(sql);
            var id = scene.insert("{name:'Ada'}");
            var outcomes = atOnce(2, i -> hub -> i == 0
                    ? hub.claim(id).action()
                    : hub.apply(new ModelRemote.Event("evt_x", "updated", START + 5, null, new ModelRemote.Thing("ext_9", id, state("{name:'Ada', email:'a@x'}")), null)));
            assertEquals(1, scene.customers());
            // Either the claim creates and the event waits for it, or the object is adopted and there is nothing to write.
            assertTrue(outcomes.contains("create") && outcomes.contains("deferred")
                    || outcomes.contains("applied") && outcomes.contains("none"), outcomes.toString());
        }
    }

    @Test
    void waits_for_a_user_who_holds_the_row_and_overwrites_nothing_of_theirs() throws Exception {
        var id = scene.linked("{name:'Ada'}");
        try (var user = Sql.open(database.dataSource())) {
            user.connection().setAutoCommit(false);
            user.run("update customers set name = 'Grace', updated_at = to_timestamp(?::float8) where id = ?::bigint", START + 10, id);
            var event = inBackground(() -> scene.updated("ext_1", START + 5, "{name:'Ada'}", "{name:'Edsger', email:'a@x'}"));
            awaitWaiting();
            user.connection().commit();
            assertEquals("conflict", event.get(10, TimeUnit.SECONDS));
        }
        assertEquals(state("{name:'Grace', email:'a@x'}"), scene.customer(id));
        assertEquals(List.of("name Ada > Grace | Edsger: hub"), scene.conflicts());
    }

    @Test
    void does_not_wait_for_a_user_who_only_refers_to_the_row() throws Exception {
        scene.linked("{name:'Ada'}");
        scene.sql.run("create table orders (customer bigint references customers)");
        try (var user = Sql.open(database.dataSource())) {
            user.connection().setAutoCommit(false);
            user.run("insert into orders values (1)");
            assertEquals("applied", scene.updated("ext_1", START + 5, "{name:'Ada'}", "{name:'Edsger'}"));
            user.connection().rollback();
        }
        scene.sql.run("drop table orders");
    }

    @Test
    void a_lock_that_is_not_free_in_time_is_the_senders_to_retry() throws Exception {
        var id = scene.linked("{name:'Ada'}");
        try (var user = Sql.open(database.dataSource())) {
            user.connection().setAutoCommit(false);
            user.run("update customers set name = 'Grace' where id = ?::bigint", id);
            scene.hub.patience = Duration.ofMillis(50);
            var raised = assertThrows(PSQLException.class, () -> scene.updated("ext_1", START + 5, "{name:'Ada'}", "{name:'Edsger'}"));
            assertEquals("55P03", raised.getSQLState());
        }
        assertEquals(0, scene.sql.number("select count(*) from sync.event"));
        assertEquals(0, scene.sql.number("select count(*) from sync.failure"));
    }

    @Test
    void what_a_trigger_changes_besides_goes_out() throws SQLException {
        var id = scene.linked("{name:'Ada'}");
        try {
            scene.sql.run("create function stamp() returns trigger language plpgsql as $$ begin new.description := 'stamped ' || new.name; return new; end $$");
            scene.sql.run("create trigger stamp before update of name on customers for each row execute function stamp()");
            assertEquals("applied", scene.updated("ext_1", START + 1, "{name:'Ada'}", "{name:'Grace'}"));
        } finally {
            scene.sql.run("drop function stamp cascade");
        }
        assertEquals(1, scene.pokes(id));
        var claim = scene.hub.claim(id);
        assertEquals("update", claim.action());
        assertEquals("stamped Grace", claim.record().get("description").asText());
    }

    @Test
    void what_a_trigger_keeps_from_being_written_is_a_failure() throws SQLException {
        scene.linked("{name:'Ada'}");
        try {
            scene.sql.run("create function keep() returns trigger language plpgsql as $$ begin return null; end $$");
            scene.sql.run("create trigger keep before update of name on customers for each row execute function keep()");
            assertEquals("failed", scene.updated("ext_1", START + 1, "{name:'Ada'}", "{name:'Grace'}"));
        } finally {
            scene.sql.run("drop function keep cascade");
        }
        assertEquals("a trigger keeps customers 1 from being changed", scene.sql.text("select reason from sync.failure"));
    }

    @Test
    void a_held_event_about_a_locked_row_holds_up_no_other() throws SQLException {
        var locked = scene.linked("{name:'Ada'}");
        var other = scene.linked("{name:'Bob'}");
        scene.sql.run("select sync.pause('stripe', 'in')");
        scene.updated("ext_" + locked, START + 1, "{name:'Ada'}", "{name:'Ada King'}");
        scene.updated("ext_" + other, START + 1, "{name:'Bob'}", "{name:'Bobby'}");
        scene.sql.run("select sync.resume('stripe', 'in')");
        try (var somebody = Sql.open(database.dataSource())) {
            somebody.connection().setAutoCommit(false);
            somebody.run("select from customers where id = ?::bigint for update", locked);
            assertEquals(1, Events.release(scene.sql, 10));
            assertEquals("Bobby", scene.customer(other).get("name").asText());
            somebody.connection().rollback(); // a connection that is closed lets go of its locks later
        }
        assertEquals(1, Events.release(scene.sql, 10));
        assertEquals("Ada King", scene.customer(locked).get("name").asText());
        scene.sql.run("delete from sync.system");
    }

    // Events that come at once.

    private static String[] edit(String system, String externalId, long at, String name) {
        var event = Hub.JSON.createObjectNode().put("id", "evt_" + system + externalId + at).put("type", "customer.updated").put("at", at).put("external_id", externalId);
        return new String[] {system, event.toString(), Hub.JSON.createObjectNode().put("name", name).toString()};
    }

    @Test
    void one_that_postgres_does_not_take_costs_itself_whatever_it_says() throws Exception {
        scene.sql.run("create index customers_name on customers (name)");
        scene.sql.run("alter table customers add constraint no_eve check (name <> 'Eve')");
        scene.sql.run("create table known (name text primary key)");
        scene.sql.run("insert into known select unnest(array['Ada', 'Bob', 'Cleo', 'Dora'])");
        scene.sql.run("alter table customers add constraint known foreign key (name) references known deferrable initially deferred");
        try {
            var tooLong = new StringBuilder();
            new java.util.Random(1).ints(12_000, 33, 0x3000).forEach(tooLong::appendCodePoint);
            var outcomes = Events.applyAtOnce(sql, "name", edit("stripe", "ext_a", START, "Ada"), edit("stripe", "ext_x", START, tooLong.toString()), edit("stripe", "ext_b", START, "Bob"),
                    edit("stripe", "ext_e", START, "Eve"), edit("stripe", "ext_c", START, "Cleo"), edit("stripe", "ext_n", START, "Nobody knows"), edit("stripe", "ext_z", START, "\0"),
                    edit("stripe", "ext_d", START, "Dora"));
            assertEquals(List.of("created", "failed", "created", "failed", "created", "failed", "failed", "created"), outcomes);
            assertEquals(List.of("22P05", "23503", "23514", "54000"), sql.texts("select code from sync.failure order by code"));
            assertEquals(4, scene.customers());
        } finally {
            scene.sql.run("alter table customers drop constraint known");
            scene.sql.run("drop table known");
            scene.sql.run("alter table customers drop constraint no_eve");
            scene.sql.run("drop index customers_name");
        }
    }

    @Test
    void of_two_systems_that_edit_one_record_the_later_edit_wins_and_both_are_kept() throws Exception {
        var id = scene.linked("{name:'Ada'}");
        sql.run("insert into sync.link (system, entity, record_id, external_id, hub_base, remote_base) select 'crm', entity, record_id, 'crm_1', hub_base, remote_base from sync.link");
        scene.edit(id, START - 10, "{name:'Ada'}");
        scene.quiet();
        assertEquals(List.of("applied", "conflict"), Events.applyAtOnce(sql, "name", edit("stripe", "ext_" + id, START + 5, "Grace"), edit("crm", "crm_1", START + 4, "Edsger")));
        assertEquals(List.of("name Ada > Grace | Edsger: hub"), scene.conflicts());
    }

    @Test
    void what_needs_no_row_does_not_wait_for_who_has_it() throws Exception {
        var id = scene.linked("{name:'Ada'}");
        try (var somebody = Sql.open(database.dataSource())) {
            somebody.connection().setAutoCommit(false);
            somebody.run("select from customers where id = ?::bigint for update", id);
            scene.hub.patience = Duration.ofMillis(1);
            assertEquals("unchanged", scene.updated("ext_" + id, START + 1, "{name:'Ada'}", "{name:'Ada'}"));
            var hint = Hub.JSON.createObjectNode().put("id", "evt_hint").put("type", "customer.updated").put("at", START).put("external_id", "ext_" + id).put("hint", true);
            assertEquals(List.of("hint"), Events.applyAtOnce(sql, "name", new String[] {"stripe", hint.toString(), null}));
            somebody.connection().rollback();
        } finally {
            scene.hub.patience = Duration.ofSeconds(5);
        }
    }

    // What cannot be applied.

    @Test
    void what_the_table_refuses_is_kept_as_a_failure_and_changes_nothing_else() throws SQLException {
        var id = scene.linked("{name:'Ada'}");
        var before = scene.link(id);
        assertEquals("failed", scene.updated("ext_1", START + 1, "{name:'Ada'}", "{name:'Grace', address:'no object'}"));
        assertEquals(state("{name:'Ada'}"), scene.customer(id));
        assertEquals(before, scene.link(id));
        assertEquals("1 in 23514", scene.sql.text("select record_id || ' ' || direction || ' ' || code from sync.failure where next_attempt_at is null"));
        assertEquals("failed", scene.sql.text("select outcome from sync.event"));
        assertEquals(0, scene.sql.number("select count(*) from sync.outbox"));
    }

    @Test
    void a_failure_ends_when_what_comes_in_fits_again() throws SQLException {
        scene.linked("{name:'Ada'}");
        scene.updated("ext_1", START + 1, "{name:'Ada'}", "{name:'Ada', address:'no object'}");
        assertEquals("applied", scene.updated("ext_1", START + 2, "{name:'Ada', address:'no object'}", "{name:'Grace'}"));
        assertEquals(0, scene.sql.number("select count(*) from sync.failure"));
        assertEquals("failed", scene.created("ext_9", START, "{address:'no object'}"));
        assertEquals("created", scene.updated("ext_9", START + 1, null, "{name:'Ada'}"));
        assertEquals(0, scene.sql.number("select count(*) from sync.failure"));
    }

    @Test
    void a_failure_does_not_quote_the_record() throws SQLException {
        scene.sql.run("create table notes (id bigint generated by default as identity primary key, name integer)");
        scene.sql.run("select sync.track('notes')");
        assertEquals("failed", Events.apply(scene.sql, "notes", Scene.json("{id:'evt_n', type:'x', at:1, external_id:'ext_n', deleted:false}").toString(), "{\"name\":\"secret name\"}", null, null, "{name}", "newest"));
        assertFalse(scene.sql.text("select reason from sync.failure").contains("secret"));
        scene.sql.run("select sync.untrack('notes')");
        scene.sql.run("drop table notes");
    }

    @Test
    void what_could_not_be_mapped_or_read_is_a_failure_and_not_an_error() throws SQLException {
        var event = Scene.json("{id:'evt_n', type:'x', at:1, external_id:'ext_n', deleted:false}").toString();
        assertEquals("failed", Events.apply(scene.sql, "customers", event, "{}", null, "the mapping failed", "{name}", "newest"));
        assertEquals("the mapping failed", scene.sql.text("select reason from sync.failure"));
        assertEquals("failed", Events.apply(scene.sql, "customers", event.replace("evt_n", "evt_m"), "no json", null, null, "{name}", "newest"));
    }

    @Test
    void an_event_for_a_table_that_is_not_tracked_is_left_to_the_sender() {
        var event = Scene.json("{id:'evt_n', type:'x', at:1, external_id:'ext_n', deleted:false}").toString();
        var refused = assertThrows(InvalidDataAccessApiUsageException.class,
                () -> Events.apply(scene.sql, "nowhere", event, "{}", null, null, "{name}", "newest"));
        assertEquals("the table nowhere is not tracked: select sync.track('nowhere')", refused.getMessage());
    }

    @Test
    void an_event_about_an_object_without_an_id_is_ignored() throws SQLException {
        var event = Scene.json("{id:'evt_n', type:'invoice.upcoming', at:1, external_id:null, deleted:false}").toString();
        assertEquals("ignored", Events.apply(scene.sql, "customers", event, "{}", null, null, "{name}", "newest"));
        assertEquals(0, scene.customers());
    }

    @Test
    void the_ledger_is_pruned_by_age() throws SQLException {
        scene.created("ext_8", START, "{}");
        scene.created("ext_9", START, "{}");
        scene.sql.run("update sync.event set received_at = now() - interval '31 days' where external_id = 'ext_8'");
        assertEquals(1, scene.sql.number("select sync.prune('30 days')"));
        assertEquals(List.of("ext_9"), scene.sql.texts("select external_id from sync.event"));
    }

    private interface OnHub {
        String run(Hub hub) throws SQLException;
    }

    private interface Numbered {
        OnHub number(int i);
    }

    /** Does things on connections of their own, as nearly at once as can be. */
    private static List<String> atOnce(int count, Numbered things) throws Exception {
        var barrier = new CyclicBarrier(count);
        var pool = Executors.newFixedThreadPool(count);
        try {
            var futures = new ArrayList<Future<String>>();
            for (int i = 0; i < count; i++) {
                var thing = things.number(i);
                futures.add(pool.submit(() -> {
                    try (var own = Sql.open(database.dataSource())) {
                        barrier.await(10, TimeUnit.SECONDS);
                        return thing.run(new Hub(own));
                    }
                }));
            }
            var outcomes = new ArrayList<String>();
            for (var future : futures) {
                outcomes.add(future.get(20, TimeUnit.SECONDS));
            }
            return outcomes;
        } finally {
            pool.shutdownNow();
        }
    }

    private static <T> Future<T> inBackground(Callable<T> callable) {
        var pool = Executors.newSingleThreadExecutor();
        try {
            return pool.submit(callable);
        } finally {
            pool.shutdown();
        }
    }

    /** Returns when another backend of this database waits for a lock. */
    private static void awaitWaiting() throws SQLException {
        try (var observer = Sql.open(database.dataSource())) {
            Awaitility.await().until(() -> observer.number(
                    "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'") > 0);
        }
    }

    // An event that does not tell its object whole.

    @Test
    void what_a_partial_event_leaves_out_stays_and_is_read_where_it_may_have_moved() throws SQLException {
        var id = scene.linked("{name:'Ada', email:'a@x'}");
        assertEquals("applied", partial("ext_1", START + 1, false, "Grace"));
        assertEquals(state("{name:'Grace', email:'a@x'}"), scene.customer(id));
        assertEquals("none", scene.hub.claim(id).action());
        assertEquals("unchanged", partial("ext_1", START + 2, true, "Grace"));
        assertEquals("fetch", scene.hub.claim(id).action());
    }

    @Test
    void of_an_object_without_a_record_a_partial_event_is_only_a_hint() throws SQLException {
        assertEquals("hint", partial("ext_partial", START + 1, true, "Ada"));
        assertEquals("true", sql.text("select (held ->> 'event')::jsonb ->> 'hint' from sync.event where external_id = 'ext_partial'"));
        assertEquals(0, sql.number("select count(*) from sync.link where external_id = 'ext_partial'"));
    }

    private static String partial(String externalId, long at, boolean look, String name) throws SQLException {
        var event = Hub.JSON.createObjectNode().put("id", "evt_" + externalId + at).put("type", "customer.updated").put("at", at).put("external_id", externalId)
                .put("object", "customer").put("partial", true).put("look", look);
        return Events.apply(sql, "customers", event.toString(), Hub.JSON.createObjectNode().put("name", name).toString(), null, null,
                "{name,email,phone,description,address}", "newest");
    }
}
