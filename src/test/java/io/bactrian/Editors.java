package io.bactrian;

import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.NullNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Collectors;

/**
 * People who edit, insert and delete customers on both sides at once, some with SQL and some in Stripe's dashboard, each at random. No two
 * values are alike, so that it can be told what became of each.
 */
final class Editors implements AutoCloseable {

    /** Somebody replaced a value that they saw by another; in Postgres, or in Stripe. */
    private record Edit(boolean inPostgres, String id, String field, JsonNode seen, JsonNode value) {
    }

    /** What a transaction did: to be believed once it is known to have committed. */
    private static final class Doings {

        private final List<Edit> edits = new ArrayList<>();
        private final List<String> deleted = new ArrayList<>();
        private int changed;
        private int inserted;
        private int updated;
    }

    /** The customers that are edited: others buy, see {@link BillingEditors}. */
    private static final String OURS = "name is null or name not like '" + BillingEditors.BUYER + "%'";

    private final TwoSides sides;
    private final int population;
    private final ScheduledExecutorService threads;
    private final List<ScheduledFuture<?>> editors = new ArrayList<>();
    private final AtomicInteger sqlEdits = new AtomicInteger();
    private final AtomicInteger dashboardEdits = new AtomicInteger();
    private final AtomicLong values = new AtomicLong();
    private final AtomicLong transactions = new AtomicLong();
    private final AtomicLong rowChanges = new AtomicLong();
    private final AtomicLong updates = new AtomicLong();
    private final AtomicLong creates = new AtomicLong();
    private final AtomicLong deletes = new AtomicLong();
    private final AtomicLong cutOff = new AtomicLong();
    private final AtomicLong cutOffCommitted = new AtomicLong();
    private final Queue<Edit> edits = new ConcurrentLinkedQueue<>();
    private final Set<String> deletedRows = ConcurrentHashMap.newKeySet();
    private final Set<String> deletedCustomers = ConcurrentHashMap.newKeySet();
    private final AtomicInteger busy = new AtomicInteger();
    private volatile boolean careful;
    private volatile List<String> columns = TwoSides.FIELDS;

    /**
     * @param population about how many customers there are to be
     * @param editors how many people there are on each side
     */
    Editors(TwoSides sides, long seed, int population, int editors, Duration pause) throws SQLException {
        this.sides = sides;
        this.population = population;
        try (var connection = sides.connect(); var statement = connection.createStatement()) {
            statement.execute("create schema people; create table people.transaction (id bigint primary key)");
        }
        threads = Executors.newScheduledThreadPool(2 * editors);
        var random = new Random(seed);
        for (int i = 0; i < editors; i++) {
            var inPostgres = new Random(random.nextLong());
            var inStripe = new Random(random.nextLong());
            schedule(() -> editRows(inPostgres), sqlEdits, pause);
            schedule(() -> editCustomer(inStripe), dashboardEdits, pause);
        }
    }

    private interface Action {

        void run() throws SQLException;
    }

    private void schedule(Action action, AtomicInteger remaining, Duration pause) {
        editors.add(threads.scheduleWithFixedDelay(() -> {
            busy.incrementAndGet();
            try {
                if (remaining.getAndDecrement() > 0) {
                    action.run();
                }
            } catch (SQLException e) {
                throw new IllegalStateException(e);
            } finally {
                busy.decrementAndGet();
            }
        }, 0, pause.toMillis(), TimeUnit.MILLISECONDS));
    }

    /** From now on nobody deletes a customer or empties a field: whatever does so then is not them. */
    Editors careful() {
        careful = true;
        return this;
    }

    /** The columns that are written with SQL from now on. To be called while they pause. */
    void columns(List<String> columns) {
        this.columns = columns;
    }

    /** Lets them finish what they are at, and begin nothing until {@link #edit}. */
    void pause() {
        edit(0);
        await().atMost(Duration.ofMinutes(1)).during(Duration.ofMillis(100)).until(() -> busy.get() == 0);
    }

    /** Creates the population, a half of it on each side. */
    void populate(Random random) throws SQLException {
        transact((connection, doings) -> {
            for (int i = 0; i < population / 2; i++) {
                insert(connection, doings, random);
            }
        });
        for (int i = 0; i < population / 2; i++) {
            createCustomer(random);
        }
    }

    /** Lets them make at most so many edits on each side from now on, and returns at once. */
    void edit(int number) {
        sqlEdits.set(number);
        dashboardEdits.set(number);
    }

    /** Waits until they have made their edits. */
    void awaitEnd() throws Exception {
        await().atMost(Duration.ofMinutes(2)).until(() -> sqlEdits.get() <= 0 && dashboardEdits.get() <= 0 || editors.stream().anyMatch(Future::isDone));
        close();
    }

    /** Stops them, and waits until they have. */
    @Override
    public void close() throws Exception {
        edit(0);
        editors.forEach(editor -> editor.cancel(false));
        threads.shutdown();
        if (!threads.awaitTermination(30, TimeUnit.SECONDS)) {
            throw new AssertionError("somebody does not come to an end");
        }
        for (var editor : editors) {
            if (!editor.isCancelled()) {
                editor.get(); // throws what stopped it
            }
        }
    }

    /** How many times somebody changed a customer, on either side. */
    long updates() {
        return updates.get();
    }

    long creates() {
        return creates.get();
    }

    long deletes() {
        return deletes.get();
    }

    /** How many transactions Postgres cut off by going away. */
    long cutOff() {
        return cutOff.get();
    }

    /** How many of those had committed, though nobody was told. */
    long cutOffCommitted() {
        return cutOffCommitted.get();
    }

    /** How many rows were inserted, deleted or in the end different, counted for each transaction. */
    long rowChanges() {
        return rowChanges.get();
    }

    // With SQL.

    private void editRows(Random random) throws SQLException {
        transact((connection, doings) -> {
            var ids = ids(connection);
            int what = random.nextInt(100);
            if (ids.size() < 2 || ids.size() < population && what < 6 || ids.size() < 2 * population && what < 2) {
                insert(connection, doings, random);
            } else if (what < 10 && ids.size() > population / 2 && !careful) {
                delete(connection, doings, pick(random, ids));
            } else {
                int rows = what < 15 ? 5 : 1;
                int times = what > 95 ? 10 : 1;
                // In order, or two of them would lock each other out.
                for (var id : random.ints(rows, 0, ids.size()).distinct().mapToObj(ids::get).sorted().toList()) {
                    update(connection, doings, random, id, times);
                }
            }
        });
    }

    private interface Work {

        void run(Connection connection, Doings doings) throws SQLException;
    }

    /** Does something in a transaction. Should Postgres go away meanwhile, it waits, and finds out whether that transaction committed. */
    private void transact(Work work) throws SQLException {
        long number = transactions.incrementAndGet();
        var doings = new Doings();
        try (var connection = sides.connect()) {
            connection.setAutoCommit(false);
            try (var statement = connection.createStatement()) {
                statement.execute("insert into people.transaction values (" + number + ")");
            }
            work.run(connection, doings);
            connection.commit();
        } catch (SQLException e) {
            if (!TwoSides.isAway(e)) {
                throw e;
            }
            cutOff.incrementAndGet();
            if (!hasCommitted(number)) {
                return;
            }
            cutOffCommitted.incrementAndGet();
        }
        edits.addAll(doings.edits);
        deletedRows.addAll(doings.deleted);
        rowChanges.addAndGet(doings.changed);
        updates.addAndGet(doings.updated);
        creates.addAndGet(doings.inserted);
        deletes.addAndGet(doings.deleted.size());
    }

    private boolean hasCommitted(long transaction) {
        return await().atMost(Duration.ofMinutes(1)).ignoreExceptionsMatching(e -> e instanceof SQLException sql && TwoSides.isAway(sql))
                .until(() -> sides.column("select count(*) from people.transaction where id = " + transaction), count -> true).get(0).equals("1");
    }

    private static List<String> ids(Connection connection) throws SQLException {
        try (var statement = connection.createStatement(); var rows = statement.executeQuery("select id from customers where " + OURS + " order by id")) {
            var ids = new ArrayList<String>();
            while (rows.next()) {
                ids.add(rows.getString(1));
            }
            return ids;
        }
    }

    private void insert(Connection connection, Doings doings, Random random) throws SQLException {
        var fields = columns;
        try (var insert = connection.prepareStatement("insert into customers (" + String.join(", ", fields) + ") values ("
                + fields.stream().map(field -> field.equals("address") ? "?::jsonb" : "?").collect(Collectors.joining(", ")) + ") returning id")) {
            var record = new HashMap<String, JsonNode>();
            for (int i = 0; i < fields.size(); i++) {
                var field = fields.get(i);
                record.put(field, value(random, field));
                insert.setString(i + 1, text(record.get(field)));
            }
            try (var rows = insert.executeQuery()) {
                rows.next();
                var id = rows.getString(1);
                record.forEach((field, value) -> doings.edits.add(new Edit(true, id, field, NullNode.instance, value)));
            }
            doings.inserted++;
            doings.changed++;
        }
    }

    private static void delete(Connection connection, Doings doings, String id) throws SQLException {
        try (var delete = connection.prepareStatement("delete from customers c where id = ?::bigint returning to_jsonb(c)")) {
            delete.setString(1, id);
            try (var rows = delete.executeQuery()) {
                if (rows.next()) {
                    var row = TwoSides.json(rows.getString(1));
                    TwoSides.FIELDS.forEach(field -> doings.edits.add(new Edit(true, id, field, TwoSides.value(row.get(field)), NullNode.instance)));
                    doings.deleted.add(id);
                    doings.changed++;
                }
            }
        }
    }

    private void update(Connection connection, Doings doings, Random random, String id, int times) throws SQLException {
        var before = read(connection, id);
        var now = before;
        for (int i = 0; now != null && i < times; i++) {
            for (var entry : change(random, columns).entrySet()) {
                var field = entry.getKey();
                try (var update = connection.prepareStatement("update customers set " + field + " = ?" + (field.equals("address") ? "::jsonb" : "")
                        + " where id = ?::bigint")) {
                    update.setString(1, text(entry.getValue()));
                    update.setString(2, id);
                    update.executeUpdate();
                }
                doings.edits.add(new Edit(true, id, field, TwoSides.value(now.get(field)), entry.getValue()));
            }
            doings.updated++;
            now = read(connection, id);
        }
        if (now != null && !now.without("updated_at").equals(before.without("updated_at"))) {
            doings.changed++;
        }
    }

    /** The row, which nobody else can change until the transaction ends; null when there is none. */
    private static ObjectNode read(Connection connection, String id) throws SQLException {
        try (var select = connection.prepareStatement("select to_jsonb(c) from customers c where id = ?::bigint for update")) {
            select.setString(1, id);
            try (var rows = select.executeQuery()) {
                return rows.next() ? TwoSides.json(rows.getString(1)) : null;
            }
        }
    }

    private static String text(JsonNode value) {
        return value.isNull() ? null : value.isObject() ? value.toString() : value.asText();
    }

    // In the dashboard.

    private void editCustomer(Random random) {
        var dashboard = sides.stripe().dashboard();
        var ids = dashboard.customers().stream().filter(customer -> !customer.get("name").asText().startsWith(BillingEditors.BUYER))
                .map(customer -> customer.get("id").asText()).toList();
        int what = random.nextInt(100);
        if (ids.size() < 2 || ids.size() < population && what < 6 || ids.size() < 2 * population && what < 2) {
            createCustomer(random);
            return;
        }
        var id = pick(random, ids);
        try {
            if (what < 10 && ids.size() > population / 2 && !careful) {
                dashboard.deleteCustomer(id);
                deletedCustomers.add(id);
                deletes.incrementAndGet();
            } else {
                dashboard.updateCustomer(id, form(change(random, TwoSides.FIELDS)));
                updates.incrementAndGet();
            }
        } catch (IllegalArgumentException e) {
            if (!dashboard.customer(id).path("deleted").asBoolean()) {
                throw e;
            }
        }
    }

    private void createCustomer(Random random) {
        var record = new LinkedHashMap<String, JsonNode>();
        TwoSides.FIELDS.forEach(field -> record.put(field, value(random, field)));
        sides.stripe().dashboard().createCustomer(form(record));
        creates.incrementAndGet();
    }

    private static Map<String, Object> form(Map<String, JsonNode> record) {
        return TwoSides.JSON.convertValue(record, new TypeReference<>() { });
    }

    // What they write.

    private Map<String, JsonNode> change(Random random, List<String> fields) {
        var change = new HashMap<String, JsonNode>();
        for (int i = random.nextInt(2); i >= 0; i--) {
            var field = pick(random, fields);
            change.put(field, value(random, field));
        }
        return change;
    }

    private JsonNode value(Random random, String field) {
        if (random.nextInt(8) == 0 && !careful) {
            return NullNode.instance;
        }
        long number = values.incrementAndGet();
        return switch (field) {
            case "email" -> TwoSides.JSON.getNodeFactory().textNode("e" + number + "@example.com");
            case "phone" -> TwoSides.JSON.getNodeFactory().textNode("+" + number);
            case "address" -> TwoSides.JSON.createObjectNode().put("city", "C" + number).put("country", "DE");
            default -> TwoSides.JSON.getNodeFactory().textNode(field + " '" + number + "' 🐫");
        };
    }

    private static <T> T pick(Random random, List<T> list) {
        return list.get(random.nextInt(list.size()));
    }

    // What became of it.

    /** What was deleted on one side, and is there. To be called once all is quiet. */
    List<String> revenants() throws SQLException {
        var revenants = new ArrayList<String>();
        var rows = sides.rows().keySet();
        deletedRows.stream().filter(rows::contains).forEach(id -> revenants.add("row " + id));
        sides.stripe().dashboard().customers().stream().map(customer -> customer.get("id").asText()).filter(deletedCustomers::contains)
                .forEach(id -> revenants.add("customer " + id));
        return revenants;
    }

    /**
     * The values that are lost: nobody who saw one replaced it or deleted its record, no conflict that is on record overruled it, and it is
     * not there. To be called once all is quiet.
     */
    List<String> lost() throws Exception {
        var all = new ArrayList<>(edits);
        sides.dashboardEdits(deletedCustomers, (id, field, seen, value) -> all.add(new Edit(false, id, field, seen, value)));
        var accounted = new HashSet<String>();
        all.forEach(edit -> accounted.add(edit.field + edit.seen));
        sides.rows().values().forEach(row -> TwoSides.FIELDS.forEach(field -> accounted.add(field + TwoSides.value(row.get(field)))));
        for (var loser : sides.column("select jsonb_build_object('field', field, 'value', case winner when 'hub' then remote else local end)"
                + " from sync.conflict")) {
            var conflict = TwoSides.json(loser);
            accounted.add(conflict.get("field").asText() + TwoSides.value(conflict.get("value")));
        }
        return all.stream()
                .filter(edit -> !edit.value.isNull() && !accounted.contains(edit.field + edit.value))
                .map(Edit::toString).toList();
    }
}
