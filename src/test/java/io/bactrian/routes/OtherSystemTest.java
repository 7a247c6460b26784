package io.bactrian.routes;

import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.bactrian.TestApplication;
import io.bactrian.TestServices;
import io.bactrian.sandbox.SandboxKafka;
import io.bactrian.sync.Inbound;
import io.bactrian.sync.Sql;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.camel.Exchange;
import org.awaitility.core.ConditionFactory;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** A system that has pages of its own kind is reconciled and polled by what its route file says, {@code src/test/resources/routes/shop.camel.yaml}. */
class OtherSystemTest {

    private static final JsonNodeFactory JSON = JsonNodeFactory.instance;
    private static SandboxKafka kafka;

    private final TestServices.Database database = TestServices.database();
    private TestApplication application;
    private Shop shop;

    /** Two people, or events, a page. */
    public static final class Shop {

        private final List<JsonNode> people = new CopyOnWriteArrayList<>();
        private final List<JsonNode> events = new CopyOnWriteArrayList<>();
        private final List<String> asked = new CopyOnWriteArrayList<>();
        private volatile boolean busy;
        private final AtomicInteger refused = new AtomicInteger();

        public void list(Exchange exchange) {
            var next = exchange.getVariable("next", String.class);
            asked.add(exchange.getVariable("resource") + " " + next);
            answer(exchange, people, next == null ? 0 : Integer.parseInt(next.replace("page ", "")), "page ");
        }

        /** The first page is one on the way to the oldest. */
        public void events(Exchange exchange) {
            var next = exchange.getVariable("next", String.class);
            if (next == null && !events.isEmpty()) {
                exchange.setVariable("at", System.currentTimeMillis() / 1000);
                exchange.getMessage().setBody(JSON.objectNode().put("next", "cursor 0").set("data", JSON.arrayNode()));
            } else {
                answer(exchange, events, next == null ? 0 : Integer.parseInt(next.replace("cursor ", "")), "cursor ");
            }
        }

        private static void answer(Exchange exchange, List<JsonNode> all, int from, String word) {
            int to = Math.min(all.size(), from + 2);
            var page = JSON.objectNode().put("next", to < all.size() ? word + to : null);
            page.set("reached", from < to ? all.get(to - 1).get("at") : null);
            exchange.getMessage().setBody(page.set("data", JSON.arrayNode().addAll(all.subList(from, to))));
            exchange.setVariable("at", System.currentTimeMillis() / 1000);
        }

        public void take(Exchange exchange) {
            var inbound = exchange.getContext().getRegistry().findSingleByType(Inbound.class);
            for (var event : exchange.getMessage().getBody(JsonNode.class)) {
                if (!busy) {
                    inbound.apply("shop", "person", event.deepCopy(), event.get("person"), null).join();
                }
            }
            refused.addAndGet(busy ? 1 : 0);
            exchange.getMessage().setBody(busy);
        }

        public void unexpected() {
            throw new IllegalStateException("nobody asked for that");
        }
    }

    @BeforeAll
    static void startKafka() throws Exception {
        kafka = SandboxKafka.startTemporary();
    }

    @AfterAll
    static void stopKafka() throws Exception {
        kafka.close();
    }

    @BeforeEach
    void start() throws Exception {
        application = TestApplication.builder().postgres(database.jdbcUrl()).kafka(kafka)
                .with("camel.main.routes-include-pattern", "file:routes/errors.camel.yaml,file:routes/templates/system.camel.yaml,file:routes/templates/integration.camel.yaml,"
                        + "file:routes/reconcile.camel.yaml,file:src/test/resources/routes/shop.camel.yaml")
                .with("camel.beans.shop", "#class:" + Shop.class.getName())
                .with("reconcile.interval", "50")
                .with("postgres.pool-size", "5")
                .with("kafka.consumers", "1")
                .start();
        shop = application.camel().getRegistry().findSingleByType(Shop.class);
    }

    @AfterEach
    void stop() {
        application.close();
    }

    @Test
    void is_listed_by_pages_that_it_names() throws Exception {
        for (int i = 1; i <= 5; i++) {
            shop.people.add(person("p" + i, "Person " + i));
        }
        var run = text("select sync.reconcile('shop', 'customers', 'heal')");
        eventually().until(() -> text("select state from sync.run where id = " + run), "done"::equals);
        assertEquals("5", text("select count(*) from customers where name like 'Person%'"));
        assertEquals(List.of("people null", "people page 2", "people page 4"), shop.asked);
    }

    @Test
    void is_polled_by_a_cursor_from_the_oldest_page_on() throws Exception {
        var now = System.currentTimeMillis() / 1000;
        var events = new ArrayList<JsonNode>();
        for (int i = 1; i <= 5; i++) {
            events.add(event("e" + i, now, person("p" + i, "Person " + i)));
        }
        shop.events.addAll(events);
        eventually().until(() -> text("select count(*) from customers where name like 'Person%'"), "5"::equals);
        assertEquals("5", text("select count(*) from sync.event where outcome = 'created'"));
    }

    @Test
    void is_asked_again_for_events_that_must_wait() throws Exception {
        eventually().until(() -> reached() > 0);
        shop.busy = true;
        var later = System.currentTimeMillis() / 1000 + 100;
        shop.events.add(event("e1", later, person("p1", "Ada")));
        shop.events.add(event("e2", later, person("p2", "Bob")));
        eventually().until(() -> shop.refused.get() > 2); // a whole look has met it
        assertNotEquals(later, reached());
        assertEquals("0", text("select count(*) from customers"));
        shop.busy = false;
        eventually().until(() -> text("select count(*) from customers"), "2"::equals);
        eventually().until(() -> reached() == later);
    }

    private static ObjectNode person(String id, String name) {
        return JSON.objectNode().put("id", id).put("name", name).put("phone", "1");
    }

    private static ObjectNode event(String id, long at, JsonNode person) {
        return JSON.objectNode().put("id", id).put("type", "person.created").put("at", at).put("deleted", false).<ObjectNode>set("external_id", person.get("id")).set("person", person);
    }

    private long reached() throws SQLException {
        return Long.parseLong(text("select coalesce(max((position -> 'reached')::bigint), 0) from sync.job where name = 'poll-shop'"));
    }

    private String text(String query) throws SQLException {
        try (var sql = Sql.open(database.dataSource())) {
            return sql.text(query);
        }
    }

    private static ConditionFactory eventually() {
        return await().atMost(Duration.ofMinutes(1)).pollInterval(Duration.ofMillis(20));
    }
}
