package io.bactrian;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.bactrian.sync.Sql;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.SQLException;
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
}
