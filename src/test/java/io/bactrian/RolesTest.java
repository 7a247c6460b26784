package io.bactrian;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.bactrian.sync.Sql;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.SQLException;
import java.util.List;
import java.util.stream.Collectors;
import javax.sql.DataSource;
import org.junit.jupiter.api.Test;
import org.postgresql.ds.PGSimpleDataSource;

/** docs/roles.sql: what Bactrian's role may do is enough, and no more. */
class RolesTest {

    private static final String PASSWORD = "only-here";

    @Test
    void the_documented_role_migrates_tracks_and_captures() throws Exception {
        var role = TestServices.name("lean");
        try (var superuser = Sql.open(TestServices.postgres().superuser("postgres"))) {
            for (var statement : statements(role)) {
                superuser.run(statement);
            }
            superuser.run("create role " + role + "_app login password '" + PASSWORD + "'");
            superuser.run("grant connect on database " + role + " to " + role + "_app");
        }
        var dataSource = dataSource(role, role);
        Migrations.run(dataSource);
        Migrations.run(dataSource);
        try (var superuser = Sql.open(TestServices.postgres().superuser(role)); var ours = Sql.open(dataSource);
                var app = Sql.open(dataSource(role, role + "_app"))) {
            superuser.run("create table orders (id bigint generated always as identity primary key, name text)");
            superuser.run("alter table orders owner to " + role + "_app");
            assertEquals("42501", assertThrows(SQLException.class, () -> ours.run("select sync.track('orders')")).getSQLState());
            app.run("grant select, insert, update, delete, trigger on orders to " + role);
            ours.run("select sync.track('orders')");

            app.run("insert into orders (name) values ('saddle')");
            assertEquals(List.of("c"), ours.texts("select op from sync.outbox where entity = 'orders'"));
            assertEquals("42501", assertThrows(SQLException.class, () -> app.rows("select * from sync.outbox")).getSQLState());
            assertEquals(1, ours.number("select count(*) from sync.status() where metric = 'outbox.age'"));

            assertEquals("42501", assertThrows(SQLException.class, () -> ours.run("create role mallory")).getSQLState());
            assertEquals("42501", assertThrows(SQLException.class, () -> ours.run("create database loot")).getSQLState());
            assertEquals("42501", assertThrows(SQLException.class, () -> ours.run("copy customers to program 'cat'")).getSQLState());
        }
    }

    /** Of the file, with another name, and without what only psql understands. */
    private static List<String> statements(String role) throws Exception {
        var sql = Files.readAllLines(Path.of("docs/roles.sql")).stream().filter(line -> !line.startsWith("\\") && !line.startsWith("--"))
                .collect(Collectors.joining("\n"));
        return List.of(sql.replace("bactrian", role).replace(":'password'", "'" + PASSWORD + "'").split(";\\s*"));
    }

    private static DataSource dataSource(String database, String user) {
        var dataSource = new PGSimpleDataSource();
        dataSource.setUrl(TestServices.postgres().jdbcUrl(database));
        dataSource.setUser(user);
        dataSource.setPassword(PASSWORD);
        return dataSource;
    }
}
