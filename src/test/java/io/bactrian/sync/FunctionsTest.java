package io.bactrian.sync;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.bactrian.TestServices;
import java.sql.SQLException;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** What holds of every function that the migrations make. */
class FunctionsTest {

    private static final int SCREEN = 60;

    /** Those with more lines than fit on a screen: none is added, and whoever shortens one takes it out. */
    private static final Set<String> LONG = Set.of("outbox_claim", "status", "track_part");

    private static final String OURS = "from pg_proc p where p.pronamespace in ('sync'::regnamespace, 'public'::regnamespace)"
            + " and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e')";

    private static Sql sql;

    @BeforeAll
    static void open() throws SQLException {
        sql = Sql.open(TestServices.database().dataSource());
    }

    @AfterAll
    static void close() throws SQLException {
        sql.close();
    }

    @Test
    void fit_on_a_screen() throws SQLException {
        var tooLong = sql.texts("select distinct p.proname::text " + OURS + " and cardinality(string_to_array(trim(both E'\\n' from p.prosrc), E'\\n')) > " + SCREEN);
        assertEquals(new TreeSet<>(LONG), new TreeSet<>(tooLong));
    }

    /** Postgres checks the body of an SQL function against the tables as they were when it was made; of a PL/pgSQL function it checks what extra_errors say. */
    @Test
    void can_be_made_again_with_all_checks() throws SQLException {
        sql.run("set plpgsql.extra_errors = 'all'");
        var errors = new TreeMap<String, String>();
        for (var function : sql.rows("select p.oid::regprocedure::text as name, pg_get_functiondef(p.oid) as definition " + OURS + " and p.prokind = 'f'")) {
            try (var statement = sql.connection().createStatement()) {
                statement.execute((String) function.get("definition"));
            } catch (SQLException e) {
                errors.put((String) function.get("name"), e.getMessage());
            }
        }
        assertEquals(new TreeMap<>(), errors);
    }
}
