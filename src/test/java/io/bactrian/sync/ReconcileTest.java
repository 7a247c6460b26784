package io.bactrian.sync;

import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.bactrian.TestServices;
import io.bactrian.store.Events;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Runs that compare both sides, page by page, with a model of the remote and of the workers. */
class ReconcileTest {

    private static final long START = Scene.START;
    private static final long NOW = START + 1000;

    private static TestServices.Database database;
    private static Sql sql;
    private static String installation;
    private Scene scene;
    private String match = "none";

    /** An object as the remote lists it. */
    private record Listed(String id, String hubId, String state) {

        private String json() {
            return "{\"id\":\"%s\",\"hub_id\":%s,\"hub\":\"%s\",\"state\":%s}"
                    .formatted(id, hubId == null ? "null" : '"' + hubId + '"', installation, Scene.state(state));
        }
    }

    @BeforeAll
    static void open() throws Exception {
        database = TestServices.database();
        sql = Sql.open(database.dataSource());
        installation = sql.text("select sync.hub()");
    }

    @AfterAll
    static void close() throws SQLException {
        sql.close();
    }

    @BeforeEach
    void set() throws SQLException {
        scene = new Scene(sql);
        for (var table : List.of("sync.system", "sync.job", "sync.run")) {
            sql.run("delete from " + table);
        }
    }

    // What it finds.

    @Test
    void a_diff_of_equal_sides_finds_nothing() throws SQLException {
        var id = scene.linked("{name:'Ada', email:'a@example.com'}");
        var run = run("diff", new Listed("ext_" + id, id, "{name:'Ada', email:'a@example.com'}"));
        assertEquals(List.of(), differences(run));
        assertEquals("done", state(run));
        assertEquals("{\"mended\": 0}", sql.text("select counts::text from sync.run where id = ?", run));
        assertEquals(0, sql.number("select count(*) from sync.run_object"));
    }

    @Test
    void a_diff_tells_what_differs_field_by_field_and_changes_nothing() throws SQLException {
        var onlyHub = scene.insert("{name:'only here'}");
        var edited = scene.linked("{name:'Ada', email:'a@example.com'}");
        scene.edit(edited, START + 5, "{name:'Ada King'}");
        var movedThere = scene.linked("{name:'Bob', email:'b@example.com'}");
        var goneHere = scene.linked("{name:'Cy'}");
        scene.delete(goneHere);
        var goneThere = scene.linked("{name:'Di'}");
        var pointed = scene.insert("{name:'Ed'}");
        scene.quiet();
        var before = everything();
        var run = run("diff",
                new Listed("ext_" + edited, edited, "{name:'Ada', email:'a@example.com'}"),
                new Listed("ext_" + movedThere, movedThere, "{name:'Bob', email:'bob@example.com'}"),
                new Listed("ext_" + goneHere, goneHere, "{name:'Cy'}"),
                new Listed("ext_pointing", pointed, "{name:'Edward'}"),
                new Listed("ext_only", null, "{name:'only there'}"));
        assertEquals(List.of(
                "deleted_hub " + goneHere + " ext_" + goneHere,
                "deleted_remote " + goneThere + " ext_" + goneThere,
                "differs " + edited + " ext_" + edited + " name Ada King | Ada",
                "differs " + movedThere + " ext_" + movedThere + " email b@example.com | bob@example.com",
                "differs " + pointed + " ext_pointing name Ed | Edward",
                "only_hub " + onlyHub + " -",
                "only_remote - ext_only",
                "unlinked " + pointed + " ext_pointing"), differences(run));
        assertEquals(before, everything());
    }

    @Test
    void a_value_that_the_remote_spells_in_its_own_way_is_no_difference() throws SQLException {
        var id = scene.insert("{name:'long'}");
        scene.settle(scene.hub.claim(id), "ext_" + id, "{name:'lo'}", START);
        assertEquals(List.of(), differences(run("diff", new Listed("ext_" + id, id, "{name:'lo'}"))));
    }

    @Test
    void an_object_that_was_heard_of_after_it_was_listed_is_not_compared_by_the_list() throws SQLException {
        var id = scene.linked("{name:'Ada'}");
        var run = begin("diff");
        list(run, NOW, new Listed("ext_" + id, id, "{name:'Ada'}"));
        scene.updated("ext_" + id, NOW + 1, "{name:'Ada'}", "{name:'Ada King'}");
        var late = scene.insert("{name:'new'}");
        scene.settle(scene.hub.claim(late), "ext_late", "{name:'new'}", NOW + 1);
        finish(run);
        assertEquals(List.of(), differences(run));
    }

    @Test
    void an_object_finds_its_record_by_a_value_only_where_it_is_unique_on_both_sides() throws SQLException {
        match = "email";
        var one = scene.insert("{name:'one', email:'one@example.com'}");
        scene.insert("{name:'twin here', email:'twins-here@example.com'}");
        scene.insert("{name:'twin here too', email:'twins-here@example.com'}");
        scene.insert("{name:'twins there', email:'twins-there@example.com'}");
        var pointedAt = scene.insert("{name:'pointed at', email:'pointed@example.com'}");
        scene.insert("{name:'no e-mail'}");
        var eight = scene.insert("{name:'eight', email:'eight@example.com'}");
        var run = run("diff",
                new Listed("ext_1", null, "{name:'one', email:'one@example.com'}"),
                new Listed("ext_2", null, "{email:'twins-here@example.com'}"),
                new Listed("ext_3", null, "{email:'twins-there@example.com'}"),
                new Listed("ext_4", null, "{email:'twins-there@example.com'}"),
                new Listed("ext_5", null, "{email:'pointed@example.com'}"),
                new Listed("ext_6", pointedAt, "{name:'pointed at', email:'other@example.com'}"),
                new Listed("ext_7", null, "{name:'no e-mail'}"),
                new Listed("ext_8", "777777", "{email:'eight@example.com'}"));
        assertEquals(List.of(one + " ext_1", pointedAt + " ext_6", eight + " ext_8"),
                sql.texts("select record_id || ' ' || external_id from sync.difference where run_id = ? and kind = 'unlinked' order by external_id", run));
        assertEquals(5, differences(run).stream().filter(difference -> difference.startsWith("only_remote")).count());
    }

    // What it mends.

    @Test
    void heal_links_creates_and_leaves_the_rest_to_the_workers() throws SQLException {
        var onlyHub = scene.insert("{name:'only here'}");
        var movedThere = scene.linked("{name:'Bob'}");
        var goneHere = scene.linked("{name:'Cy'}");
        scene.delete(goneHere);
        var goneThere = scene.linked("{name:'Di'}");
        var same = scene.insert("{name:'Ed'}");
        scene.quiet();
        var run = begin("heal");
        list(run, NOW,
                new Listed("ext_" + movedThere, movedThere, "{name:'Bobby'}"),
                new Listed("ext_" + goneHere, goneHere, "{name:'Cy'}"),
                new Listed("ext_same", same, "{name:'Ed'}"),
                new Listed("ext_only", null, "{name:'only there'}"));
        var work = finish(run);
        assertEquals(Map.of(onlyHub, "create", movedThere, "fetch", goneHere, "delete", goneThere, "fetch"), work);
        assertEquals("ext_same", scene.link(same).get("external_id").asText());
        var created = sql.text("select record_id from sync.link where external_id = 'ext_only'");
        assertEquals("only there", scene.customer(created).get("name").asText());
        assertEquals("done", state(run));
        assertEquals(0, sql.number("select count(*) from sync.outbox where target <> ''"), "nothing is asked of those who follow the changes");
    }

    @Test
    void a_page_costs_the_same_however_much_a_run_has_found() throws Exception {
        var few = pagesOfAHeal(100);
        var many = pagesOfAHeal(20_000);
        for (var step : few.keySet()) {
            assertTrue(many.get(step) < 2 * few.get(step) + 500, step + ": " + few.get(step) + " pages with few differences, " + many.get(step) + " with many");
        }
    }

    /** How many pages of tables and indexes the transactions of a heal read that has found so much already, and in whose way there is as much in the outbox. */
    private Map<String, Long> pagesOfAHeal(int differences) throws Exception {
        set();
        sql.run("delete from sync.deletion");
        var pages = new java.util.LinkedHashMap<String, Long>();
        var run = begin("heal");
        take(null, "off");
        sql.run("insert into customers (name) select 'Customer ' || n from generate_series(1, ?) n", differences);
        scene.quiet();
        sql.run("insert into sync.link (system, entity, record_id, external_id, hub_base, remote_base) select 'stripe', 'customers', id::text, 'ext_' || id, '{}', '{}' from customers");
        for (var kind : List.of("deleted_hub", "differs")) {
            sql.run("insert into sync.difference (run_id, kind, record_id, external_id, todo) select ?, ?, id::text, 'ext_' || id, true from customers order by id", run, kind);
        }
        sql.run("insert into sync.outbox (entity, record_id, op, after) select 'customers', 'x' || n, 'u', '{}' from generate_series(1, ?) n", differences);
        var unlinked = sql.texts("insert into customers (name, email) select 'New ' || n, 'new' || n || '@example.com' from generate_series(1, 20) n returning id");
        for (var id : unlinked) {
            sql.run("insert into sync.run_object (run_id, external_id, hub_id, pointer, state, at) values (?, ?, ?, 'ours', ?::jsonb, to_timestamp(?::float8))",
                    run, "ext_new_" + id, id, Scene.state("{name:'New there', description:'" + id + "'}").toString(), NOW);
        }
        sql.run("select sync.advance_run(r, null, 0, true) from sync.run r where id = ?", run);
        sql.run("begin"); // it is only measured
        pages.put("objects", pages("select count(*) from sync.reconcile_page(" + run + ", 'objects', null, '" + Hub.FIELDS + "', 'newest', 'none', 20)")); // not the last page: that counts what is next
        sql.run("rollback");
        Events.compare(sql, run, "objects", null, ModelRemote.FIELDS, "none", 100);
        assertEquals("20 of 20", sql.text("select count(*) filter (where todo) || ' of ' || count(*) from sync.difference where run_id = ? and kind = 'unlinked'", run));
        assertEquals(0, sql.number("select count(*) from sync.outbox where target <> ''"));
        sql.run("update sync.run set step = 'rows', position = null, confirmed_at = now() where id = ?", run);
        for (var step : List.of("changes", "deletes")) {
            sql.run("select sync.advance_run(r, null, 0, true) from sync.run r where id = ?", run);
            for (int i = 0; i < 2; i++) {
                pages.put("take " + step, pages("select sync.take_work(" + run + ", '" + step + "', 40, 5, 10)"));
                var ids = sql.text("select sync.take_work(?, ?, 40, 5, 10)", run, step);
                pages.put("end " + step, pages("select sync.end_work(" + run + ", '" + step + "', '" + ids + "')"));
            }
        }
        return pages;
    }

    private static long pages(String query) throws Exception {
        var plan = Hub.JSON.readTree(sql.text("explain (analyze, buffers, format json) " + query)).get(0).get("Plan");
        return plan.get("Shared Hit Blocks").asLong() + plan.get("Shared Read Blocks").asLong();
    }

    @Test
    void what_a_worker_could_not_mend_is_counted_as_failed() throws SQLException {
        scene.insert("{name:'Ada'}");
        var refused = scene.insert("{name:'Bob'}");
        var run = begin("heal");
        list(run, NOW);
        sql.run("select sync.record_failure('stripe', 'customers', ?, 'out', 'permanent', 'email_invalid', 'no', null, null)", refused);
        finish(run);
        assertEquals("{\"failed\": 1, \"mended\": 1, \"only_hub\": 2}", sql.text("select counts::text from sync.run where id = ?", run));
    }

    @Test
    void link_links_what_belongs_together_and_leaves_the_rest() throws SQLException {
        var same = scene.insert("{name:'Ed'}");
        scene.insert("{name:'only here'}");
        var run = begin("link");
        list(run, NOW, new Listed("ext_same", same, "{name:'Ed'}"), new Listed("ext_only", null, "{name:'only there'}"));
        assertEquals(Map.of(), finish(run));
        assertEquals("ext_same", scene.link(same).get("external_id").asText());
        assertEquals(2, scene.customers());
        assertEquals(1, sql.number("select count(*) from sync.link"));
    }

    @Test
    void a_page_that_is_repeated_changes_nothing_more() throws SQLException {
        var run = begin("heal");
        var page = new Listed("ext_only", null, "{name:'only there'}").json() + "\n";
        for (int i = 0; i < 2; i++) {
            keep(run, null, page, NOW);
            Events.compare(sql, run, "objects", null, ModelRemote.FIELDS, "none", 100);
        }
        assertEquals(1, scene.customers());
        assertEquals(1, sql.number("select count(*) from sync.difference where run_id = ?", run));
    }

    @Test
    void an_object_that_does_not_fit_becomes_a_failure_and_the_run_goes_on() throws SQLException {
        sql.run("alter table customers add constraint customers_have_no_grace check (name <> 'Grace')");
        try {
            var run = run("heal", new Listed("ext_g", null, "{name:'Grace'}"), new Listed("ext_h", null, "{name:'Hedy'}"));
            assertEquals("{\"failed\": 1, \"mended\": 1, \"only_remote\": 2}", sql.text("select counts::text from sync.run where id = ?", run));
        } finally {
            sql.run("alter table customers drop constraint customers_have_no_grace");
        }
        assertEquals("ext_g", sql.text("select record_id from sync.failure"));
        assertEquals(1, scene.customers());
    }

    @Test
    void an_object_that_is_deleted_while_the_run_goes_on_is_not_brought_back() throws SQLException {
        var run = begin("heal");
        list(run, NOW, new Listed("ext_only", null, "{name:'only there'}"));
        scene.deleted("ext_only", NOW + 1);
        finish(run);
        assertEquals(0, scene.customers());
    }

    @Test
    void what_others_refer_to_and_is_not_listed_later_is_gone() throws SQLException {
        var linked = scene.linked("{name:'Ada'}");
        var event = Scene.json("{id:'evt_i', type:'invoice.created', at:1, external_id:'in_1', deleted:false}").toString();
        assertEquals("waiting", Events.apply(sql, "invoices", event, "{\"customer_id\": \"cus_gone\", \"currency\": \"EUR\"}", null, null,
                "{customer_id, currency}", "newest"));
        var ada = new Listed("ext_" + linked, linked, "{name:'Ada'}");
        run("heal", ada);
        assertEquals(0, Events.release(sql, 10), "it may have been listed before the event came");
        sql.run("update sync.event set received_at = to_timestamp(?::float8) - interval '2 minutes'", NOW);
        run("diff", ada);
        assertEquals(0, Events.release(sql, 10));
        run("heal", ada, new Listed("cus_gone", null, "{name:'there after all', address:'no object'}"));
        assertEquals(0, Events.release(sql, 10));
        run("heal", ada);
        assertEquals(1, Events.release(sql, 10));
        assertEquals(1, sql.number("select count(*) from invoices where customer_id is null"));
        assertEquals(0, sql.number("select count(*) from sync.failure where code = 'reference'"));
        sql.run("delete from invoices");
    }

    // Deletes.

    @Test
    void a_mass_delete_waits_for_a_person() throws SQLException {
        var listed = new ArrayList<Listed>();
        for (int i = 0; i < 30; i++) {
            var id = scene.linked("{name:'Ada'}");
            if (i >= 11) {
                listed.add(new Listed("ext_" + id, id, "{name:'Ada'}"));
            }
        }
        var run = run("heal", listed.toArray(Listed[]::new));
        assertEquals("needs confirmation", state(run));
        assertTrue(sql.text("select reason from sync.run where id = ?", run).startsWith(
                "11 of 30 linked records would be deleted: 11 in the hub, because they are gone in stripe, and 0 in stripe"));
        assertEquals(0, sql.number("select count(*) from sync.link where look_at is not null"));
        assertEquals("it goes on", sql.text("select sync.confirm(?)", run));
        assertEquals(11, finish(run).size());
        assertEquals("done", state(run));
        assertEquals("that run does not wait for anybody", sql.text("select sync.confirm(?)", run));
    }

    @Test
    void a_few_deletes_need_no_confirmation() throws SQLException {
        for (int i = 0; i < 10; i++) {
            scene.linked("{name:'Ada'}");
        }
        assertEquals("done", state(run("heal")));
    }

    // How it is run.

    @Test
    void the_same_run_is_not_asked_for_twice() throws SQLException {
        var run = begin("diff");
        assertEquals(run, begin("diff"));
        assertEquals("it has ended", sql.text("select sync.cancel(?)", run));
        assertTrue(begin("diff") > run);
    }

    @Test
    void an_unknown_mode_or_table_is_refused() {
        assertThrows(SQLException.class, () -> sql.run("select sync.reconcile('stripe', 'customers', 'mend')"));
        assertThrows(SQLException.class, () -> sql.run("select sync.reconcile('stripe', 'nothing')"));
    }

    @Test
    void a_run_waits_while_its_system_is_paused() throws SQLException {
        var run = begin("diff");
        sql.run("select sync.pause('stripe', 'out', 'for a test')");
        assertNull(take(null, "off"));
        assertEquals("stripe is paused: for a test", sql.text("select reason from sync.progress where id = ?", run));
        sql.run("select sync.resume('stripe')");
        assertEquals("remote", take(null, "off"));
        assertNull(sql.text("select reason from sync.run where id = ?", run));
    }

    @Test
    void a_run_that_stumbles_goes_on_after_a_pause() throws SQLException {
        var run = begin("diff");
        take(null, "off");
        sql.run("select sync.hold_run(?, 'no answer')", run);
        assertNull(take(null, "off"));
        sql.run("update sync.run set next_try_at = now()");
        assertEquals("remote", take(null, "off"));
    }

    @Test
    void a_list_whose_cursor_is_gone_is_read_from_its_beginning() throws SQLException {
        var run = begin("diff");
        take(null, "off");
        sql.run("update sync.run set position = 'ext_gone' where id = ?", run);
        for (int i = 0; i < 4; i++) {
            sql.run("select sync.hold_run(?, 'no such object')", run);
        }
        assertEquals("ext_gone", sql.text("select position from sync.run where id = ?", run));
        sql.run("select sync.hold_run(?, 'no such object')", run);
        assertNull(sql.text("select position from sync.run where id = ?", run));
    }

    @Test
    void one_instance_has_the_run() throws SQLException {
        begin("diff");
        take(null, "off");
        assertEquals(List.of(), sql.texts("select step from sync.take_run('stripe', 'customers', 'other', '1 minute', null, 'heal', 'off')"));
    }

    @Test
    void a_run_starts_when_its_time_has_come() throws SQLException {
        assertEquals("remote", take("1 day", "off"));
        var run = sql.number("select id from sync.run");
        finishAs(run);
        assertNull(take("1 day", "off"));
        sql.run("update sync.run set asked_at = now() - interval '25 hours'");
        assertEquals("remote", take("1 day", "off"));
    }

    @Test
    void first_contact_holds_back_what_would_be_sent_until_it_is_known_what_exists() throws SQLException {
        var id = scene.insert("{name:'Ada'}");
        assertEquals("remote", take(null, "link"));
        assertEquals("parked", scene.hub.claim(id).action());
        var run = sql.number("select id from sync.run");
        list(run, NOW, new Listed("ext_1", id, "{name:'Ada'}"));
        finish(run);
        assertEquals("done", state(run));
        assertEquals("none", scene.hub.claim(id).action());
        assertEquals("ext_1", scene.link(id).get("external_id").asText());
        assertNull(sql.text("select out_paused_at from sync.system"));
        assertNull(take(null, "link"));
    }

    @Test
    void a_schedule_does_not_come_before_the_first_contact() throws SQLException {
        assertEquals("remote", take("1 day", "link"));
        assertEquals("first contact", sql.text("select because from sync.run order by id limit 1"));
    }

    @Test
    void of_two_first_contacts_that_end_at_once_the_later_one_lets_the_system_go_on() throws Exception {
        sql.run("select sync.first_contact('stripe', entity, 'link') from unnest(array['customers', 'products']) entity");
        var end = "select sync.end_run(r, 'done') from sync.run r where entity = ?";
        try (var other = Sql.open(database.dataSource()); var watcher = Sql.open(database.dataSource())) {
            other.connection().setAutoCommit(false);
            other.run(end, "products");
            var later = CompletableFuture.runAsync(() -> {
                try {
                    sql.run(end, "customers");
                } catch (SQLException e) {
                    throw new IllegalStateException(e);
                }
            });
            await().until(() -> later.isDone()
                    || watcher.number("select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'") > 0);
            other.connection().commit();
            later.get();
        }
        assertNull(sql.text("select out_paused_at from sync.system"));
    }

    private String take(String schedule, String firstContact) throws SQLException {
        var steps = sql.texts("select step from sync.take_run('stripe', 'customers', 'me', '1 minute', ?::interval, 'heal', ?)", schedule, firstContact);
        return steps.isEmpty() ? null : steps.get(0);
    }

    private long run(String mode, Listed... objects) throws SQLException {
        var run = begin(mode);
        list(run, NOW, objects);
        finish(run);
        return run;
    }

    private long begin(String mode) throws SQLException {
        return sql.number("select sync.reconcile('stripe', 'customers', ?)", mode);
    }

    private void list(long run, long at, Listed... objects) throws SQLException {
        take(null, "off");
        for (int i = 0; i < Math.max(1, objects.length); i++) {
            var page = i < objects.length ? objects[i].json() : "";
            sql.run("select sync.keep_objects(?, (select position from sync.run where id = ?), ?, ?, ?, ?, extract(epoch from now())::float8, ?)",
                    run, run, page, "cursor" + i, i < objects.length - 1, (double) at, match);
        }
    }

    private void keep(long run, String position, String page, long at) throws SQLException {
        take(null, "off");
        sql.run("select sync.keep_objects(?, ?, ?, null, false, ?, extract(epoch from now())::float8, ?)", run, position, page, (double) at, match);
    }

    private void finishAs(long run) throws SQLException {
        list(run, NOW);
        finish(run);
    }

    /** Goes on with a run until it stops, two at a time. Returns which records the workers were given, and what there was to do for each. */
    private Map<String, String> finish(long run) throws SQLException {
        var work = new java.util.HashMap<String, String>();
        for (var step = take(null, "off"); step != null; step = take(null, "off")) {
            if (step.equals("changes") || step.equals("deletes")) {
                var ids = sql.texts("select jsonb_array_elements_text(sync.take_work(?, ?, 2, 5, 10)::jsonb)", run, step);
                for (var id : ids) {
                    work.put(id, scene.hub.claim(id).action());
                }
                if (!ids.isEmpty()) {
                    sql.run("select sync.end_work(?, ?, to_jsonb(?::text[])::text)", run, step, "{" + String.join(",", ids) + "}");
                }
            } else {
                Events.compare(sql, run, step, sql.text("select position from sync.run where id = ?", run), ModelRemote.FIELDS, match, 2);
            }
        }
        return work;
    }

    private String state(long run) throws SQLException {
        return sql.text("select state from sync.run where id = ?", run);
    }

    private List<String> differences(long run) throws SQLException {
        return sql.texts("""
                select format('%s %s %s', kind, coalesce(record_id, '-'), coalesce(external_id, '-'))
                       || case when field is not null then format(' %s %s | %s', field, hub #>> '{}', remote #>> '{}') else '' end
                  from sync.difference where run_id = ? order by 1""", run);
    }

    private List<String> everything() throws SQLException {
        var rows = new ArrayList<String>();
        for (var table : List.of("customers", "sync.link", "sync.tombstone", "sync.event", "sync.failure", "sync.conflict", "sync.outbox")) {
            rows.addAll(sql.texts("select to_jsonb(t)::text from " + table + " t order by 1"));
        }
        return rows;
    }
}
