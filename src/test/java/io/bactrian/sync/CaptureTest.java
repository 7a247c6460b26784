package io.bactrian.sync;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.bactrian.TestServices;
import java.io.StringReader;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.postgresql.PGConnection;
import org.postgresql.util.PSQLException;

/** What {@code sync.track} makes of a table: each net change that commits is in the outbox, and no write fails because of it. */
class CaptureTest {

    private static TestServices.Database database;

    private Sql sql;

    @BeforeAll
    static void createDatabase() {
        database = TestServices.database();
    }

    @BeforeEach
    void connect() throws SQLException {
        sql = Sql.open(database.dataSource());
        sql.run("truncate customers restart identity cascade");
        sql.run("truncate sync.outbox");
    }

    @AfterEach
    void disconnect() throws SQLException {
        sql.close();
    }

    @Test
    void captures_an_insert_an_update_and_a_delete_with_the_row_before_and_after() throws SQLException {
        sql.run("insert into customers (name) values ('Ada')");
        sql.run("update customers set name = 'Grace'");
        sql.run("delete from customers");
        assertEquals(List.of("c 1", "u 1", "d 1"), changes());
        assertEquals(List.of("null > Ada", "Ada > Grace", "Grace > null"), names());
    }

    @Test
    void captures_both_branches_of_an_upsert() throws SQLException {
        sql.run("insert into customers (id, name) values (1, 'Ada')");
        sql.run("insert into customers (id, name) values (1, 'Grace'), (2, 'Edsger') on conflict (id) do update set name = excluded.name");
        sql.run("insert into customers (id, name) values (1, 'Nobody') on conflict do nothing");
        assertEquals(List.of("c 1", "c 2", "u 1"), sorted(changes()));
    }

    @Test
    void captures_merge_and_writable_ctes() throws SQLException {
        sql.run("insert into customers (id, name) values (1, 'Ada'), (2, 'Grace')");
        sql.run("truncate sync.outbox");
        sql.run("""
                merge into customers c using (values (1, 'Augusta'), (3, 'Edsger')) v (id, name) on c.id = v.id
                 when matched then update set name = v.name
                 when not matched by source then delete
                 when not matched then insert (id, name) values (v.id, v.name)""");
        assertEquals(List.of("c 3", "d 2", "u 1"), sorted(changes()));
        sql.run("truncate sync.outbox");
        sql.run("""
                with gone as (delete from customers where id = 3 returning name), more as (insert into customers (id, name) values (4, 'Donald'))
                update customers set name = (select name from gone) where id = 1""");
        assertEquals(List.of("c 4", "d 3", "u 1"), sorted(changes()));
    }

    @Test
    void captures_copy() throws Exception {
        sql.connection().unwrap(PGConnection.class).getCopyAPI()
                .copyIn("copy customers (id, name) from stdin (format csv)", new StringReader("1,\"O'Neil, \"\"Shaq\"\"\"\n2,\n"));
        assertEquals(List.of("c 1", "c 2"), changes());
        assertEquals(List.of("null > O'Neil, \"Shaq\"", "null > null"), names());
    }

    @Test
    void captures_each_row_of_a_bulk_update_once() throws SQLException {
        sql.run("insert into customers (name) select 'n' || i from generate_series(1, 100000) i");
        sql.run("truncate sync.outbox");
        sql.run("update customers set name = case when id % 4 = 0 then name else upper(name) end");
        assertEquals(75_000, sql.number("select count(*) from sync.outbox"));
        assertEquals(75_000, sql.number("select count(distinct record_id) from sync.outbox where before::json ->> 'name' like 'n%' and after::json ->> 'name' like 'N%'"));
    }

    @Test
    void captures_truncate_as_deletes() throws SQLException {
        sql.run("insert into customers (name) values ('Ada'), ('Grace')");
        sql.run("truncate sync.outbox");
        sql.run("truncate customers cascade");
        assertEquals(List.of("d 1", "d 2"), changes());
        assertEquals(List.of("Ada > null", "Grace > null"), names());
    }

    @Test
    void captures_nothing_when_nothing_changes() throws SQLException {
        sql.run("insert into customers (name, address) values ('Ada', '{\"city\": \"London\"}')");
        sql.run("truncate sync.outbox");
        sql.run("update customers set name = name, address = '{\"city\":\"London\"}'");
        sql.run("update customers set name = 'Nobody' where id = 42");
        sql.run("delete from customers where id = 42");
        sql.run("insert into customers (name) select 'Nobody' where false");
        assertEquals(List.of(), changes());
    }

    @Test
    void captures_nothing_of_what_is_rolled_back() throws SQLException {
        sql.connection().setAutoCommit(false);
        sql.run("insert into customers (name) values ('Ada')");
        sql.connection().rollback();
        sql.run("insert into customers (name) values ('Grace')");
        var savepoint = sql.connection().setSavepoint();
        sql.run("insert into customers (name) values ('Edsger')");
        sql.connection().rollback(savepoint);
        sql.connection().commit();
        assertEquals(List.of("null > Grace"), names());
    }

    @Test
    void a_new_primary_key_is_a_delete_and_a_create() throws SQLException {
        sql.run("insert into customers (id, name) values (1, 'Ada'), (2, 'Grace')");
        sql.run("truncate sync.outbox");
        sql.run("update customers set id = 7 where id = 1");
        assertEquals(List.of("c 7", "d 1"), sorted(changes()));
        sql.run("truncate sync.outbox");
        sql.run("update customers set id = -id");
        assertEquals(List.of("c -2", "c -7", "d 2", "d 7"), sorted(changes()));
    }

    @Test
    void captures_rows_of_any_size_and_content() throws SQLException {
        var name = "O'Neil \"x\" \\ \n\t{}[], 😀 \u0001";
        var description = "é".repeat(1 << 20);
        sql.run("insert into customers (name, description, email) values (?, ?, null)", name, description);
        sql.run("update customers set email = ''");
        assertEquals(List.of("c 1", "u 1"), changes());
        assertEquals(List.of("null > " + name, name + " > " + name), names());
        assertEquals(2, sql.number("select count(*) from sync.outbox where after::json ->> 'description' = ?", description));
    }

    @Test
    void captures_for_a_role_that_knows_nothing_of_the_schema_sync() throws SQLException {
        var role = TestServices.name("writer");
        try (var superuser = new Sql(TestServices.postgres().superuser(database.name()).getConnection())) {
            superuser.run("create role " + role);
            superuser.run("grant all on customers, invoices, invoice_items to " + role);
            superuser.run("set role " + role);
            superuser.run("set search_path = ''");
            superuser.run("insert into public.customers (name) values ('Ada')");
            superuser.run("update public.customers set name = 'Grace'");
            superuser.run("delete from public.customers");
            superuser.run("insert into public.customers (id, name) values (2, 'Ada')");
            superuser.run("truncate public.customers cascade");
            assertThrows(PSQLException.class, () -> superuser.run("select from sync.outbox"));
            superuser.run("reset role");
            superuser.run("drop owned by " + role);
            superuser.run("drop role " + role);
        }
        assertEquals(List.of("c 1", "u 1", "d 1", "c 2", "d 2"), changes());
    }

    @Test
    void nobody_but_the_application_can_say_that_a_change_is_an_event_s() throws SQLException {
        sql.run("create table parcels (id bigint primary key, customer_id bigint references customers)");
        sql.run("select sync.track('parcels', 'customers')");
        var role = TestServices.name("writer");
        try (var superuser = new Sql(TestServices.postgres().superuser(database.name()).getConnection())) {
            superuser.run("create role " + role + " login");
            superuser.run("grant all on customers, parcels to " + role);
            superuser.run("set session authorization " + role);
            for (var written : List.of("customers/", "customers/1", "parcels/", "parcels/1")) {
                superuser.run("set sync.written = '" + written + "'");
                superuser.run("set sync.origin = 'stripe'");
                superuser.run("insert into public.customers (id, name) values (1, 'Ada')");
                superuser.run("update public.customers set name = 'Grace'");
                superuser.run("insert into public.parcels values (1, 1)");
                superuser.run("delete from public.parcels");
                superuser.run("delete from public.customers");
            }
            superuser.run("reset session authorization");
            superuser.run("drop owned by " + role);
            superuser.run("drop role " + role);
        }
        assertEquals(List.of(""), sql.texts("select distinct origin from sync.outbox"));
        assertEquals(28, sql.number("select count(*) from sync.outbox"));
        sql.run("truncate sync.outbox");

        sql.connection().setAutoCommit(false);
        sql.run("select sync.act_for('stripe', 'customers/')");
        sql.run("insert into customers (id, name) values (1, 'Ada')");
        sql.connection().commit();
        sql.connection().setAutoCommit(true);
        assertEquals(List.of("stripe"), sql.texts("select origin from sync.outbox"), "the application's own role can");
        sql.run("select sync.untrack('parcels')");
        sql.run("drop table parcels");
    }

    @Test
    void does_not_run_what_a_hostile_search_path_offers() throws SQLException {
        sql.run("create schema evil");
        sql.run("create function evil.row_to_json(record) returns json language plpgsql as $$ begin raise 'called'; end $$");
        sql.run("create function evil.pg_notify(text, text) returns void language plpgsql as $$ begin raise 'called'; end $$");
        sql.run("create function evil.differs(text, text) returns boolean language plpgsql as $$ begin raise 'called'; end $$");
        sql.run("create operator evil.= (leftarg = text, rightarg = text, function = evil.differs)");
        sql.run("create temp table new_rows (id bigint, name text)");
        sql.run("create temp table outbox (id bigint)");
        sql.run("set search_path = evil, pg_temp, sync, pg_catalog, public");
        sql.run("insert into public.customers (name) values ('Ada')");
        sql.run("update public.customers set name = 'Grace'");
        sql.run("set search_path = public");
        sql.run("drop schema evil cascade");
        assertEquals(List.of("null > Ada", "Ada > Grace"), names());
    }

    @Test
    void captures_in_a_session_that_mutes_triggers() throws SQLException {
        try (var superuser = new Sql(TestServices.postgres().superuser(database.name()).getConnection())) {
            superuser.run("set session_replication_role = replica");
            superuser.run("insert into public.customers (name) values ('Ada')");
        }
        assertEquals(List.of("c 1"), changes());
    }

    @ParameterizedTest
    @ValueSource(ints = {Connection.TRANSACTION_REPEATABLE_READ, Connection.TRANSACTION_SERIALIZABLE})
    void captures_in_strict_transactions(int isolation) throws SQLException {
        sql.connection().setTransactionIsolation(isolation);
        sql.connection().setAutoCommit(false);
        sql.run("insert into customers (name) values ('Ada')");
        sql.run("update customers set name = 'Grace'");
        sql.connection().commit();
        assertEquals(List.of("c 1", "u 1"), changes());
    }

    @Test
    void captures_any_column_type_key_and_name() throws SQLException {
        sql.run("create schema \"Shop\"");
        sql.run("""
                create table "Shop"."OddThings" (
                  gone text, "Key" uuid primary key default gen_random_uuid(), raw json, n integer, o text, t text, place point, page xml, bytes bytea, days daterange[],
                  was text, "select" text, twice text generated always as (was || was) stored)""");
        sql.run("alter table \"Shop\".\"OddThings\" drop column gone");
        sql.run("alter table \"Shop\".\"OddThings\" rename column was to \"it's\"");
        assertEquals("OddThings", sql.text("select sync.track('\"Shop\".\"OddThings\"')"));
        sql.run("alter table \"Shop\".\"OddThings\" add column later integer default 1");
        sql.run("""
                insert into "Shop"."OddThings" (raw, place, page, bytes, days, "it's")
                values ('{"a":1, "a":2, "zero":"\\u0000"}', '(1,2)', '<a/>', '\\x00ff', '{"[2026-01-01,2026-02-01)"}', 'x')""");
        sql.run("update \"Shop\".\"OddThings\" set raw = raw");
        sql.run("update \"Shop\".\"OddThings\" set raw = '{}', later = 2");
        sql.run("truncate \"Shop\".\"OddThings\"");
        assertEquals(List.of("c", "u", "d"), sql.texts("select op from sync.outbox order by id"));
        assertEquals("xx", sql.text("select before::json ->> 'twice' from sync.outbox where op = 'd'"));
        assertEquals(1, sql.number("select count(distinct record_id) from sync.outbox where entity = 'OddThings' and length(record_id) = 36"));
        var claimed = sql.rows("select * from sync.outbox_claim('one', '1 minute', 0, 10, 1000000)");
        assertEquals("Shop", Hub.object(claimed.get(0).get("envelope")).at("/source/schema").asText());
        sql.run("select sync.untrack('\"Shop\".\"OddThings\"')");
        sql.run("drop schema \"Shop\" cascade");
    }

    @Test
    void spells_a_key_the_same_in_every_session() throws SQLException {
        sql.run("create table dates (at timestamptz primary key, n integer)");
        sql.run("select sync.track('dates')");
        sql.run("set timezone = 'Asia/Tokyo'");
        sql.run("insert into dates values ('2026-01-02 03:04:05+00', 1)");
        sql.run("set timezone = 'America/New_York'");
        sql.run("set datestyle = 'ISO, DMY'");
        sql.run("update dates set n = 2");
        assertEquals(1, sql.number("select count(distinct record_id) from sync.outbox"));
        sql.run("select sync.untrack('dates')");
        sql.run("drop table dates");
    }

    @Test
    void captures_what_triggers_of_the_users_make_of_a_row() throws SQLException {
        sql.run("create table words (id bigint primary key, word text, length integer)");
        sql.run("create function measure() returns trigger language plpgsql as $$ begin new.length := length(new.word); return new; end $$");
        sql.run("create trigger measure before insert or update on words for each row execute function measure()");
        sql.run("select sync.track('words')");
        sql.run("insert into words values (1, 'camel')");
        assertEquals("5", sql.text("select after::json ->> 'length' from sync.outbox"));
        sql.run("select sync.untrack('words')");
        sql.run("drop table words");
        sql.run("drop function measure");
    }

    @Test
    void a_trigger_of_the_users_acts_for_the_hub_even_when_an_event_set_it_off() throws SQLException {
        sql.run("create table orders (id bigint primary key, customer bigint references customers on delete cascade, vip boolean)");
        sql.run("create table parents (id bigint primary key, parent bigint references parents on delete cascade)");
        sql.run("create function promote() returns trigger language plpgsql as $$ begin update orders set vip = true; return null; end $$");
        sql.run("create trigger promote after update on customers for each row execute function promote()");
        sql.run("select sync.track('orders')");
        sql.run("insert into customers (name) values ('Ada')");
        sql.run("insert into orders values (10, 1, false)");
        sql.run("select sync.track('parents')");
        sql.run("insert into parents values (1, null), (2, 1)");
        sql.run("truncate sync.outbox");
        sql.connection().setAutoCommit(false);
        sql.run("select sync.write('stripe', 'customers', '{\"name\":\"Grace\"}', '1')");
        sql.run("select sync.erase('stripe', 'customers', '1')");
        sql.run("select sync.erase('stripe', 'parents', '1')");
        sql.run("insert into customers (name) values ('Edsger')");
        sql.connection().commit();
        assertEquals(List.of("c customers from ", "d customers from stripe", "d orders from ", "d parents from ", "d parents from stripe",
                "u customers from stripe", "u orders from "),
                sorted(sql.texts("select op || ' ' || entity || ' from ' || origin from sync.outbox")));
        sql.connection().setAutoCommit(true);
        sql.run("select sync.untrack('orders')");
        sql.run("select sync.untrack('parents')");
        sql.run("drop table orders, parents");
        sql.run("drop function promote cascade");
    }

    @Test
    void captures_a_partitioned_table_and_rows_that_change_partition() throws SQLException {
        sql.run("create table parts (id integer primary key, n integer) partition by range (id)");
        sql.run("create table parts_low partition of parts for values from (0) to (100)");
        sql.run("create table parts_high partition of parts for values from (100) to (200)");
        sql.run("select sync.track('parts')");
        sql.run("insert into parts values (1, 1)");
        sql.run("update parts set n = 2");
        sql.run("update parts set id = 101");
        sql.run("delete from parts");
        assertEquals(List.of("c 1", "c 101", "d 1", "d 101", "u 1"), sorted(changes()));
        sql.run("select sync.untrack('parts')");
        sql.run("drop table parts");
    }

    @Test
    void goes_on_when_a_table_is_renamed_moved_or_altered() throws SQLException {
        sql.run("create table things (id bigint primary key, name text)");
        sql.run("select sync.track('things')");
        sql.run("create schema attic");
        sql.run("alter table things set schema attic");
        sql.run("alter table attic.things rename to stuff");
        sql.run("alter table attic.stuff add column more text");
        sql.run("insert into attic.stuff values (1, 'a', 'b')");
        sql.run("alter table attic.stuff drop column name");
        sql.run("update attic.stuff set more = 'c'");
        sql.run("truncate attic.stuff");
        assertEquals(List.of("c 1", "u 1", "d 1"), changes());
        sql.run("select sync.untrack('attic.stuff')");
        sql.run("drop schema attic cascade");
    }

    @Test
    void tracking_again_renews() throws SQLException {
        sql.run("create table things (id bigint primary key, name text)");
        sql.run("select sync.track('things')");
        sql.run("alter table things rename column id to key");
        sql.run("alter table things add column updated_at timestamptz");
        assertEquals("things", sql.text("select sync.track('public.things')"));
        sql.run("insert into things values (1, 'a')");
        assertEquals(List.of("c 1"), changes());
        assertEquals("key true", sql.text("select key_column || ' ' || has_updated_at::text from sync.entity where name = 'things'"));
        sql.run("select sync.untrack('things')");
        sql.run("drop table things");
    }

    @Test
    void untracking_removes_everything_and_leaves_the_table() throws SQLException {
        sql.run("create table things (id bigint primary key)");
        sql.run("select sync.track('things')");
        sql.run("insert into things values (1)");
        assertEquals("things", sql.text("select sync.untrack('things')"));
        sql.run("insert into things values (2)");
        assertEquals(List.of("c 1"), changes());
        assertEquals(0, sql.number("select count(*) from pg_trigger where tgrelid = 'things'::regclass"));
        assertEquals(0, sql.number("select count(*) from pg_proc where proname = 'capture_things'"));
        assertEquals(0, sql.number("select count(*) from sync.entity where name = 'things'"));
        sql.run("drop table things");
    }

    @Test
    void a_dropped_table_stops_nothing_and_can_be_untracked() throws SQLException {
        sql.run("create table things (id bigint primary key)");
        sql.run("select sync.track('things')");
        sql.run("insert into things values (1)");
        sql.run("drop table things");
        sql.run("select sync.poke('things', '1', 'stripe')");
        var row = sql.row("select * from sync.outbox_claim('one', '1 minute', 0, 10, 1000000)");
        assertEquals("things", Hub.object(row.get("envelope")).at("/source/table").asText());
        assertEquals("things", sql.text("select sync.untrack('things')"));
        assertEquals(0, sql.number("select count(*) from sync.entity where name = 'things'"));
    }

    @Test
    void says_what_cannot_be_tracked_and_why() throws SQLException {
        sql.run("create table keyless (id bigint)");
        sql.run("create table pairs (a bigint, b bigint, primary key (a, b))");
        sql.run("create table \"two words\" (id bigint primary key)");
        sql.run("create view names as select id, name from customers");
        sql.run("create schema other");
        sql.run("create table other.customers (id bigint primary key)");
        refuses("select sync.track('nowhere')", "there is no table nowhere");
        refuses("select sync.track('keyless')", "no primary key of one column", "keyless");
        refuses("select sync.track('pairs')", "no primary key of one column", "pairs");
        refuses("select sync.track('\"two words\"')", "two words", "topic");
        refuses("select sync.track('names')", "names is not a table");
        refuses("select sync.track('other.customers')", "another table named customers is tracked already");
        refuses("select sync.untrack('keyless')", "keyless is not tracked");
        sql.run("drop table keyless, pairs, \"two words\", other.customers");
        sql.run("drop view names");
        sql.run("drop schema other");
    }

    private void refuses(String statement, String... parts) {
        var message = assertThrows(PSQLException.class, () -> sql.run(statement)).getServerErrorMessage();
        for (var part : parts) {
            assertTrue(message.getMessage().contains(part), message.getMessage());
        }
        assertTrue(message.getHint() != null, "no hint: " + message.getMessage());
    }

    private List<String> changes() throws SQLException {
        return sql.texts("select op || ' ' || record_id from sync.outbox order by id");
    }

    private List<String> names() throws SQLException {
        return sql.texts("select concat(coalesce(before::json ->> 'name', 'null'), ' > ', coalesce(after::json ->> 'name', 'null')) from sync.outbox order by id");
    }

    private static List<String> sorted(List<String> list) {
        return list.stream().sorted().toList();
    }
}
