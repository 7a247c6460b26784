package io.bactrian.sync;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.bactrian.TestServices;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.stream.Stream;
import javax.sql.DataSource;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.springframework.dao.DataIntegrityViolationException;

/** Records about which is decided at the same time. */
class OutboundBatchTest {

    private static final DataSource HUB = TestServices.database().dataSource();

    private Sql sql;
    private Scene scene;

    @BeforeEach
    void begin() throws SQLException {
        sql = Sql.open(HUB);
        scene = new Scene(sql);
    }

    /** What each claim comes to, of all of them at once. */
    private static Map<String, String> claim(List<String> ids) {
        var work = new LinkedBlockingQueue<Runnable>();
        var claims = new Claims(TestServices.pool(HUB), "1 minute", null, "off", Duration.ofMillis(200), work::add);
        var actions = new ConcurrentHashMap<String, String>();
        var workers = ids.stream().map(id -> new Thread(() -> actions.put(id, (String) claims.claim("stripe", "customers", id, ModelRemote.FIELDS).get("action")))).toList();
        workers.forEach(Thread::start);
        Awaitility.await().until(() -> workers.stream().allMatch(worker -> worker.getState() == Thread.State.WAITING)); // all are gathered
        Awaitility.await().until(() -> {
            for (var next = work.poll(); next != null; next = work.poll()) {
                next.run();
            }
            return actions.size() == ids.size();
        });
        return new TreeMap<>(actions);
    }

    @Test
    void they_share_a_transaction() throws SQLException {
        var ids = Stream.of("Ada", "Bob", "Cleo").map(this::insert).toList();
        claim(ids);
        assertEquals(List.of("create create create"), sql.texts("select string_agg(in_flight_op, ' ') from sync.link group by xmin"));
    }

    @Test
    void one_whose_row_somebody_has_holds_up_no_other() throws SQLException {
        var ids = Stream.of("Ada", "Bob", "Cleo").map(this::insert).toList();
        try (var somebody = Sql.open(HUB)) {
            somebody.connection().setAutoCommit(false);
            somebody.run("insert into sync.link (system, entity, record_id) values ('stripe', 'customers', ?)", ids.get(1));
            assertEquals(Map.of(ids.get(0), "create", ids.get(1), "waiting", ids.get(2), "create"), claim(ids));
            somebody.connection().rollback();
        }
        assertEquals(List.of("locked"), sql.texts("select code from sync.failure"));
        assertEquals("create", scene.hub.claim(ids.get(1)).action());
    }

    @Test
    void one_that_postgres_does_not_take_is_told_of_by_itself() throws SQLException {
        var id = insert("Ada");
        var claims = new Claims(TestServices.pool(HUB), "1 minute", null, "off", Duration.ofMillis(200), Runnable::run);
        assertThrows(DataIntegrityViolationException.class,
                () -> claims.claim("stripe", "customers", "no id", ModelRemote.FIELDS));
        assertEquals("create", claims.claim("stripe", "customers", id, ModelRemote.FIELDS).get("action"));
    }

    private String insert(String name) {
        try {
            return scene.insert("{name:'" + name + "'}");
        } catch (SQLException e) {
            throw new AssertionError(e);
        }
    }
}
