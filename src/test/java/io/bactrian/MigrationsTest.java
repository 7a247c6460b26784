package io.bactrian;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.bactrian.store.Events;
import io.bactrian.sync.Sql;
import io.bactrian.sync.Writes;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

class MigrationsTest {

    @Test
    void several_instances_may_migrate_at_once() throws Exception {
        var database = TestServices.emptyDatabase();
        var instances = Stream.generate(() -> CompletableFuture.runAsync(() -> Migrations.run(database.dataSource())))
                .limit(4)
                .toArray(CompletableFuture[]::new);
        CompletableFuture.allOf(instances).join();
        try (var connection = database.dataSource().getConnection();
                var statement = connection.createStatement();
                var rows = statement.executeQuery("select count(*), count(distinct script), bool_and(success) from sync.migration")) {
            rows.next();
            assertTrue(rows.getInt(1) > 1);
            assertEquals(rows.getInt(1), rows.getInt(2), "each script once");
            assertTrue(rows.getBoolean(3));
        }
    }

    @Test
    void each_start_renews_the_triggers_of_tracked_tables_and_reads_their_references_anew() throws Exception {
        var database = TestServices.database();
        try (var sql = Sql.open(database.dataSource())) {
            sql.run("create table shops (id bigint generated always as identity primary key, name text)");
            sql.run("create table orders (id bigint generated always as identity primary key, shop_id bigint)");
            sql.run("create table order_lines (id bigint generated always as identity primary key, order_id bigint references orders, what text)");
            sql.run("select sync.track('shops'), sync.track('orders'), sync.track('order_lines', 'orders')");
            sql.run("create table dropped (id bigint primary key)");
            sql.run("select sync.track('dropped')");
            sql.run("drop table dropped");
            sql.run("alter table shops rename to stores");

            // As an older version made them, and what a person changes later.
            for (var function : List.of("capture_shops", "parts_order_lines")) {
                sql.run("create or replace function sync." + function + "() returns trigger language plpgsql security definer as $$ begin return null; end $$");
            }
            sql.run("drop trigger sync_capture_insert on orders");
            sql.run("alter table orders disable trigger sync_capture_update");
            sql.run("alter table orders add foreign key (shop_id) references stores");
            sql.run("alter table order_lines add column price bigint");
            sql.run("alter table orders add column updated_at timestamptz");

            Migrations.run(database.dataSource());
            sql.run("insert into stores (name) values ('saddles')");
            sql.run("insert into orders (shop_id) values (1)");
            sql.run("update orders set shop_id = null");
            sql.run("insert into order_lines (order_id, what, price) values (1, 'a saddle', 5)");
            assertEquals(List.of("c shops", "c orders", "u orders", "c order_lines", "r orders"), sql.texts("select op || ' ' || entity from sync.outbox order by id"));
            assertEquals("{\"shop_id\": \"shops\"} true", sql.text("select refs::text || ' ' || has_updated_at::text from sync.entity where name = 'orders'"));
            assertEquals("{what,price}", sql.text("select part_columns from sync.entity where name = 'order_lines'"));

            // Nothing is locked when nothing is to be renewed.
            sql.connection().setAutoCommit(false);
            sql.run("update stores set name = 'whips'");
            Migrations.run(database.dataSource());
            sql.connection().rollback();
        }
    }

    @Test
    void a_due_date_that_stripe_cannot_have_does_not_stop_the_bounds_from_being_set() throws Exception {
        try (var sql = Sql.open(TestServices.database().dataSource())) {
            sql.run("alter table invoices drop constraint invoices_due_date_is_between_1970_and_9999");
            sql.run("insert into invoices (currency, due_date) values ('EUR', 'infinity'), ('EUR', '1969-12-31'), ('EUR', '2030-01-01')");
            sql.connection().setAutoCommit(false);
            try (var statement = sql.connection().createStatement()) {
                statement.execute(Files.readString(Path.of("sql/migration/V9__due_date.sql")));
            }
            sql.connection().commit();
            assertEquals(List.of("none", "none", "2030-01-01"), sql.texts("select coalesce(due_date::text, 'none') from invoices order by id"));
            assertThrows(SQLException.class, () -> sql.run("update invoices set due_date = '-infinity'"));
        }
    }

    @Test
    void what_is_in_flight_when_the_installation_gets_its_id_keeps_its_key() throws Exception {
        try (var sql = Sql.open(TestServices.database().dataSource())) {
            sql.run("drop table sync.installation, sync.foreign_object");
            sql.run("alter table sync.system drop column account, drop column other_account");
            sql.run("alter table sync.link drop column old_key_to, drop column old_pointer");
            sql.run("alter table sync.run_object drop column pointer, drop column hub, drop column pointed_to");
            sql.run("insert into customers (id, name) values (1, 'in flight'), (2, 'settled, without its echo'), (3, 'at rest')");
            sql.run("""
                    insert into sync.link (system, entity, record_id, external_id, revision, in_flight_op, in_flight, in_flight_at, unechoed)
                    values ('stripe', 'customers', '1', null, 3, 'create', '{"id": 1, "name": "in flight"}', now(), null),
                           ('stripe', 'customers', '2', 'cus_2', 5, null, null, null, '{"4": {"open": false, "known": {}}}'),
                           ('stripe', 'customers', '3', 'cus_3', 7, null, null, null, null)""");
            sql.connection().setAutoCommit(false);
            try (var statement = sql.connection().createStatement()) {
                statement.execute(Files.readString(Path.of("sql/migration/V12__installation.sql")));
            }
            sql.connection().commit();
            sql.connection().setAutoCommit(true);
            assertEquals(List.of("3", "4", "none"), sql.texts("select coalesce(old_key_to::text, 'none') from sync.link order by record_id"));
            var hub = sql.text("select sync.hub()");
            assertTrue(hub.matches("[A-Za-z0-9]{12}"), hub);
            assertEquals("bactrian:customers:1:3", Writes.claim(sql, "stripe", "customers", "1", "{name}").get("key_prefix"));
            assertEquals("bactrian:" + hub + ":customers:2:5", Writes.claim(sql, "stripe", "customers", "2", "{name}").get("key_prefix"));
            var revision = "select sync.key_revision(l, ?) from sync.link l where record_id = '2'";
            assertEquals("4", sql.text(revision, "bactrian:customers:2:4:hash"));
            assertEquals("5", sql.text(revision, "bactrian:" + hub + ":customers:2:5:hash"));
            for (var others : List.of("bactrian:customers:2:5:hash", "bactrian:customers:22:4:hash", "bactrian:another:customers:2:5:hash", "", "4")) {
                assertEquals(null, sql.text(revision, others), others);
            }
        }
    }

    @Test
    void what_was_agreed_on_about_lines_of_invoices_gets_their_amounts() throws Exception {
        var database = TestServices.emptyDatabase();
        new OldInstallation(Duration.ofMinutes(1)).restore(database.dataSource());
        try (var sql = Sql.open(database.dataSource())) {
            assertEquals("0", sql.text("select count(*) from sync.link where hub_base::text like '%\"amount\"%' or remote_base::text like '%\"amount\"%'"));
            Migrations.run(database.dataSource());
            var lines = "select l.record_id || ' ' || f.key || ' ' || (f.value ->> 'amount') from sync.link l, jsonb_each(l.%s) f where f.key like 'invoice_items/%%' and f.value <> 'null' order by l.record_id::bigint, f.key";
            var agreed = List.of("1 invoice_items/1 24000", "1 invoice_items/2 450", "2 invoice_items/3 3000", "3 invoice_items/4 12000", "4 invoice_items/5 700", "4 invoice_items/6 -100",
                    "5 invoice_items/7 500", "6 invoice_items/8 100", "6 invoice_items/9 200", "7 invoice_items/10 4500", "8 invoice_items/11 10000");
            assertEquals(agreed, sql.texts(lines.formatted("hub_base")));
            assertEquals(agreed, sql.texts(lines.formatted("remote_base")));
            assertEquals(List.of(), sql.texts("select l.record_id from sync.link l, sync.read(l.entity, l.record_id) r, jsonb_each(l.hub_base) f"
                    + " where l.entity = 'invoices' and l.in_flight_op is null and f.key like 'invoice_items/%' and f.value is distinct from r -> f.key and r is not null"));
        }
    }

    @Test
    void what_an_older_version_began_is_looked_for_and_what_it_could_not_map_is_read() throws Exception {
        try (var sql = Sql.open(TestServices.database().dataSource())) {
            sql.run("""
                    insert into sync.link (system, entity, record_id, external_id, in_flight_op, in_flight, in_flight_base, in_flight_at, hub_base)
                    values ('stripe', 'customers', '1', null, 'create', '{"name": "Ada"}', null, now(), null),
                           ('stripe', 'invoices', '1', null, 'create', '{"memo": "m", "total": 5}', null, now(), null),
                           ('ledger', 'invoices', '1', null, 'create', '{"memo": "m", "total": 5}', null, now(), null),
                           ('ledger', 'invoices', '2', 'l_2', null, null, null, null, '{"total": 7}'),
                           ('stripe', 'invoice_items', '3', 'ii_3', null, null, null, null, null),
                           ('stripe', 'invoices', '3', 'in_3', 'update', '{"invoice_items/3": {"quantity": 2}}', null, now(), null),
                           ('stripe', 'invoices', '4', 'in_4', 'update', '{"invoice_items/4": {"quantity": 2}}', null, now(), null),
                           ('stripe', 'invoices', '5', 'in_5', 'update', '{"invoice_items/5": null}', null, now(), null)""");
            sql.run("""
                    insert into sync.event (system, event_id, entity, type, created, external_id, outcome, held)
                    values ('stripe', 'evt_1', 'customers', 'customer.updated', now(), 'cus_1', 'failed',
                            '{"event": "{\\"id\\": \\"evt_1\\", \\"type\\": \\"customer.updated\\", \\"at\\": 5, \\"external_id\\": \\"cus_1\\"}", "error": "cannot map it", "fields": ["name"], "policy": "newest"}')""");
            sql.run("select sync.record_failure('stripe', 'customers', 'cus_1', 'in', 'permanent', '22000', 'cannot map it', 'evt_1', null)");
            sql.run(Files.readString(Path.of("sql/migration/V22__in_flight.sql")));
            assertEquals(List.of("ledger invoices 1 {\"memo\": \"m\", \"total\": 5}", "stripe customers 1 {\"name\": \"Ada\"}", "stripe invoices 1 {\"memo\": \"m\"}"),
                    sql.texts("select concat_ws(' ', system, entity, record_id, in_flight) from sync.link where find_first order by 1"));
            assertEquals(List.of("4"), sql.texts("select record_id from sync.link where in_flight_at = 'epoch'"));
            assertEquals("what came in is applied again now", sql.text("select sync.retry('stripe', 'customers', 'cus_1')"));
            assertEquals(1, Events.release(sql, 10));
            assertEquals("{name}", sql.text("select array(select jsonb_array_elements_text(held -> 'fields'))::text from sync.event where outcome = 'hint'"));
        }
    }
}
