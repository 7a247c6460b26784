package io.bactrian;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

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
}
