package io.bactrian;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.bactrian.sync.Sql;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.Random;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.BiConsumer;

/**
 * People who write invoices, change, finish and delete them on both sides at once, and change products and prices; some with SQL and some in
 * Stripe's dashboard, each at random. Each does what the invoice that they see allows. The other side may be further already: then Stripe
 * refuses, and somebody takes back what was refused, as the failure tells them to.
 */
final class BillingEditors implements AutoCloseable {

    /** How the names of those begin who get the invoices. */
    static final String BUYER = "buyer ";

    private static final Duration MENDING = Duration.ofMillis(500);

    /** As one thing with what it concerns; the newest first, since those are still alive. */
    private static final String ALIVE = "select id from invoices where status in ('draft', 'open', 'uncollectible') order by id desc limit 30";
    private static final String THERE = "select l.external_id from sync.link l join (" + ALIVE + ") i on l.record_id = i.id::text"
            + " where l.system = 'stripe' and l.entity = 'invoices' and l.deleted_at is null and l.external_id is not null";

    private final TwoSides sides;
    private final ScheduledExecutorService threads;
    private final List<ScheduledFuture<?>> editors = new ArrayList<>();
    private final Future<?> mender;
    private final AtomicInteger edits = new AtomicInteger();
    private final AtomicInteger invoices = new AtomicInteger();
    private final AtomicLong values = new AtomicLong();
    private final AtomicLong done = new AtomicLong();
    private final AtomicLong refusedByDashboard = new AtomicLong();
    private final AtomicLong cutOff = new AtomicLong();
    private final Queue<String> refusals = new ConcurrentLinkedQueue<>();

    /** @param editors how many people there are on each side */
    BillingEditors(TwoSides sides, long seed, int editors, Duration pause) {
        this.sides = sides;
        threads = Executors.newScheduledThreadPool(2 * editors + 1);
        var random = new Random(seed);
        for (int i = 0; i < editors; i++) {
            var inPostgres = new Random(random.nextLong());
            var inStripe = new Random(random.nextLong());
            this.editors.add(schedule(() -> edit(() -> editRows(inPostgres)), pause));
            this.editors.add(schedule(() -> edit(() -> editObjects(inStripe)), pause));
        }
        mender = schedule(() -> attempt(this::mend), MENDING);
    }

    private ScheduledFuture<?> schedule(Runnable action, Duration pause) {
        return threads.scheduleWithFixedDelay(action, 0, pause.toMillis(), TimeUnit.MILLISECONDS);
    }

    private interface Action {

        void run() throws SQLException;
    }

    private void edit(Action action) {
        if (edits.getAndDecrement() > 0) {
            attempt(action);
            done.incrementAndGet();
        }
    }

    /** Postgres may go away, choose somebody for a deadlock's victim, or refuse what another has just made impossible: then nothing was done. */
    private void attempt(Action action) {
        try {
            action.run();
        } catch (SQLException e) {
            if (!TwoSides.isAway(e) && !List.of("40P01", "40001", "23503").contains(e.getSQLState())) {
                throw new IllegalStateException(e);
            }
            cutOff.incrementAndGet();
        }
    }

    /** Creates products to sell, and those who buy them. */
    void populate() throws SQLException {
        try (var sql = sql()) {
            sql.run("insert into customers (name) select ? || n from generate_series(1, 5) n", BUYER);
            sql.run("insert into products (name, unit_amount, currency) select 'product ' || n, 100 * n, 'EUR' from generate_series(1, 5) n");
            sql.connection().commit();
        }
    }

    /** Lets them make so many edits from now on, on both sides together, and at most so many invoices. */
    void edit(int number, int mostInvoices) {
        invoices.set(mostInvoices);
        edits.set(number);
    }

    /** Whether they have edits to make. */
    boolean areEditing() {
        return edits.get() > 0 && editors.stream().noneMatch(Future::isDone);
    }

    /** Stops them, but for the one who takes back what Stripe refuses. */
    void stopEditing() throws Exception {
        edits.set(0);
        for (var editor : editors) {
            if (editor.isDone()) {
                editor.get(); // throws what stopped it
            }
        }
    }

    void tell(BiConsumer<String, Object> each) {
        each.accept("edits of invoices and products, on both sides", done.get());
        each.accept("… of these refused to the person in the dashboard", refusedByDashboard.get());
        each.accept("… or cut off by Postgres", cutOff.get());
        each.accept("changes that Stripe refused to Bactrian, and that were taken back", refusals.size());
    }

    // With SQL.

    private void editRows(Random random) throws SQLException {
        try (var sql = sql()) {
            int what = random.nextInt(100);
            if (what < 12) {
                createRow(sql, random);
            } else if (what < 20) {
                editProductRow(sql, random);
            } else {
                var ids = sql.texts(ALIVE);
                if (!ids.isEmpty()) {
                    editRow(sql, random, Long.parseLong(pick(random, ids)), Long.parseLong(pick(random, ids)));
                }
            }
            sql.connection().commit();
        }
    }

    private void createRow(Sql sql, Random random) throws SQLException {
        var customers = sql.texts("select id from customers where starts_with(name, ?)", BUYER);
        if (invoices.getAndDecrement() <= 0 || customers.isEmpty()) {
            return;
        }
        long id = sql.number("insert into invoices (customer_id, currency, memo, status) values (?, ?, ?, ?) returning id", Long.parseLong(pick(random, customers)),
                currency(random), text("memo"), random.nextInt(4) == 0 ? "open" : "draft");
        for (int i = random.nextInt(5); i > 0; i--) {
            addItem(sql, random, id);
        }
    }

    private void addItem(Sql sql, Random random, long invoice) throws SQLException {
        var products = sql.texts("select id from products");
        sql.run("insert into invoice_items (invoice_id, product_id, description, quantity, unit_amount) values (?, ?, ?, ?, ?)", invoice,
                random.nextBoolean() || products.isEmpty() ? null : Long.valueOf(pick(random, products)), text("item"), random.nextInt(5), amount(random));
    }

    private void editRow(Sql sql, Random random, long id, long other) throws SQLException {
        var status = new HashMap<Long, String>();
        for (var row : sql.rows("select id, status from invoices where id in (?, ?) order by id for update", id, other)) {
            status.put((Long) row.get("id"), row.get("status").toString());
        }
        if (!status.containsKey(id)) {
            return;
        }
        switch (status.get(id)) {
            case "draft" -> editDraft(sql, random, id, "draft".equals(status.get(other)) ? other : id);
            case "open" -> {
                if (random.nextInt(10) == 0) {
                    sql.run("delete from invoices where id = ?", id);
                } else if (random.nextInt(3) == 0) {
                    setStatus(sql, id, pick(random, List.of("paid", "void", "uncollectible")));
                }
            }
            case "uncollectible" -> setStatus(sql, id, pick(random, List.of("paid", "void")));
            default -> { }
        }
    }

    private void editDraft(Sql sql, Random random, long id, long otherDraft) throws SQLException {
        var items = sql.texts("select id from invoice_items where invoice_id = ?", id);
        var item = items.isEmpty() ? 0 : Long.parseLong(pick(random, items));
        int what = random.nextInt(100);
        if (what < 20) {
            addItem(sql, random, id);
        } else if (what < 45) {
            sql.run("update invoice_items set quantity = ?, unit_amount = ? where id = ?", random.nextInt(5), amount(random), item);
        } else if (what < 55) {
            sql.run("update invoice_items set description = ? where id = ?", text("item"), item);
        } else if (what < 63) {
            sql.run("delete from invoice_items where id = ?", item);
        } else if (what < 70) {
            sql.run("update invoice_items set invoice_id = ? where id = ?", otherDraft, item);
        } else if (what < 85) {
            sql.run("update invoices set memo = ?, due_date = ?::date where id = ?", text("memo"), random.nextInt(4) == 0 ? null : date(random), id);
        } else if (what < 90) {
            sql.run("delete from invoices where id = ?", id);
        } else {
            setStatus(sql, id, pick(random, List.of("open", "open", "open", "paid", "void", "uncollectible")));
        }
    }

    private static void setStatus(Sql sql, long id, String status) throws SQLException {
        sql.run("update invoices set status = ? where id = ?", status, id);
    }

    private void editProductRow(Sql sql, Random random) throws SQLException {
        var products = sql.texts("select id from products order by id");
        int what = random.nextInt(10);
        if (products.size() < 3 || what == 0 && products.size() < 12) {
            sql.run("insert into products (name, unit_amount, currency) values (?, ?, ?)", text("product"), Math.abs(amount(random)), currency(random));
            return;
        }
        long id = Long.parseLong(pick(random, products));
        switch (what) {
            case 1 -> sql.run("delete from products where id = ?", id);
            case 2 -> sql.run("update products set unit_amount = null, currency = null where id = ?", id);
            case 3 -> sql.run("update products set active = not active where id = ?", id);
            case 4, 5 -> sql.run("update products set name = ? where id = ?", text("product"), id);
            default -> sql.run("update products set unit_amount = ?, currency = ? where id = ?", Math.abs(amount(random)), currency(random), id);
        }
    }

    // In the dashboard.

    private void editObjects(Random random) throws SQLException {
        int what = random.nextInt(100);
        try {
            if (what < 12) {
                createObject(random);
            } else if (what < 20) {
                editProduct(random);
            } else {
                var ids = sides.column(THERE);
                if (!ids.isEmpty()) {
                    editObject(random, pick(random, ids));
                }
            }
        } catch (IllegalArgumentException e) {
            refusedByDashboard.incrementAndGet();
        }
    }

    private void createObject(Random random) throws SQLException {
        var customers = sides.column("select external_id from sync.link l join customers c on l.record_id = c.id::text"
                + " where l.system = 'stripe' and l.entity = 'customers' and l.external_id is not null and starts_with(name, '" + BUYER + "')");
        if (customers.isEmpty() || invoices.getAndDecrement() <= 0) {
            return;
        }
        var lines = new ArrayList<Map<String, Object>>();
        for (int i = random.nextInt(random.nextInt(6) == 0 ? 25 : 5); i > 0; i--) {
            lines.add(line(random));
        }
        sides.stripe().dashboard().createInvoice(Map.of("customer", pick(random, customers), "currency", currency(random).toLowerCase(), "memo", text("memo"),
                "days_until_due", 10, "lines", lines));
    }

    private void editObject(Random random, String id) {
        var dashboard = sides.stripe().dashboard();
        var invoice = dashboard.invoice(id);
        switch (invoice.get("status").asText()) {
            case "draft" -> editDraft(random, id, invoice.at("/lines/data"));
            case "open" -> {
                switch (random.nextInt(8)) {
                    case 0 -> dashboard.voidInvoice(id);
                    case 1 -> dashboard.markUncollectible(id);
                    case 2, 3 -> dashboard.payInvoice(id);
                    default -> { }
                }
            }
            case "uncollectible" -> dashboard.payInvoice(id);
            default -> { }
        }
    }

    private void editDraft(Random random, String id, JsonNode lines) {
        var dashboard = sides.stripe().dashboard();
        var item = lines.isEmpty() ? null : lines.get(random.nextInt(lines.size())).at("/parent/invoice_item_details/invoice_item").asText();
        int what = random.nextInt(100);
        if (what < 20 || item == null) {
            dashboard.addLine(id, line(random));
        } else if (what < 50) {
            dashboard.updateLine(item, line(random));
        } else if (what < 60) {
            dashboard.removeLine(item);
        } else if (what < 80) {
            dashboard.updateInvoice(id, Map.of("memo", text("memo"), "due_date", date(random)));
        } else if (what < 85) {
            dashboard.deleteInvoice(id);
        } else if (what < 95) {
            dashboard.finalizeInvoice(id);
        } else {
            dashboard.payInvoice(id);
        }
    }

    private Map<String, Object> line(Random random) {
        return Map.of("description", text("item"), "quantity", random.nextInt(5), "unit_amount", amount(random));
    }

    private void editProduct(Random random) {
        var dashboard = sides.stripe().dashboard();
        var products = dashboard.products().stream().map(product -> product.get("id").asText()).limit(12).toList();
        int what = random.nextInt(8);
        if (what == 0 || products.isEmpty()) {
            dashboard.createProduct(Map.of("name", text("product"), "currency", "eur", "unit_amount", Math.abs(amount(random))));
            return;
        }
        var id = pick(random, products);
        switch (what) {
            case 1, 2 -> dashboard.updateProduct(id, Map.of("name", text("product")));
            case 3 -> dashboard.updateProduct(id, Map.of("active", false)); // one that is deleted in the hub is archived, and nobody takes it back
            default -> dashboard.updateProduct(id, Map.of("currency", "eur", "unit_amount", Math.abs(amount(random))));
        }
    }

    // What was refused.

    /** Takes back what Stripe refused: the row is made what both sides last agreed on. A new one that Stripe refuses is deleted. */
    private void mend() throws SQLException {
        for (var refused : sides.column("select to_jsonb(f) || jsonb_build_object('base', l.hub_base, 'external_id', l.external_id) from sync.failure f"
                + " join sync.link l using (system, entity, record_id) where f.entity = 'invoices' and f.direction = 'out' and f.next_attempt_at is null"
                + " and f.class = 'permanent'")) {
            var failure = TwoSides.json(refused);
            long id = failure.get("record_id").asLong();
            try (var sql = sql()) {
                var known = sql.rows("select from invoices where id = ? for update", id).size() == 1;
                if (!known) {
                    sql.run("delete from sync.failure where entity = 'invoices' and direction = 'out' and record_id = ?", Long.toString(id)); // a paid one stays there
                } else if (failure.get("external_id").isNull()) {
                    sql.run("delete from invoices where id = ?", id);
                } else {
                    takeBack(sql, id, (ObjectNode) failure.get("base"));
                }
                sql.connection().commit();
            }
            refusals.add(failure.get("reason").asText());
        }
    }

    private static void takeBack(Sql sql, long id, ObjectNode base) throws SQLException {
        forget(sql, "customers", base, "customer_id");
        var items = new ArrayList<Long>();
        for (var part : base.properties()) {
            if (part.getKey().startsWith("invoice_items/") && part.getValue() instanceof ObjectNode item) {
                items.add(Long.parseLong(part.getKey().substring("invoice_items/".length())));
                forget(sql, "products", item, "product_id");
            }
        }
        var kept = items.toString().replace('[', '{').replace(']', '}');
        sql.run("delete from invoice_items where id = any (?::bigint[]) and invoice_id <> ?", kept, id);
        sql.run("delete from invoice_items where id <> all (?::bigint[]) and invoice_id = ?", kept, id);
        base.properties().removeIf(field -> field.getValue().isNull() && List.of("subtotal", "total").contains(field.getKey())); // reckoned here
        sql.rows("select sync.write('', 'invoices', ?::jsonb, ?)", base.toString(), Long.toString(id));
    }

    private static void forget(Sql sql, String table, ObjectNode record, String reference) throws SQLException {
        if (record.path(reference).isNumber() && sql.number("select count(*) from " + table + " where id = ?", record.get(reference).asLong()) == 0) {
            record.putNull(reference);
        }
    }

    // What they write.

    private String text(String what) {
        return what + " '" + values.incrementAndGet() + "' 🐫";
    }

    /** A multiple of ten: the last digit of an amount in KWD is 0. */
    private static long amount(Random random) {
        return 10L * (random.nextInt(10) == 0 ? -random.nextInt(50) : random.nextInt(500));
    }

    private static String currency(Random random) {
        return pick(random, List.of("EUR", "EUR", "JPY", "KWD"));
    }

    private static String date(Random random) {
        return "2031-0" + (1 + random.nextInt(9)) + "-1" + random.nextInt(10);
    }

    private static <T> T pick(Random random, List<T> list) {
        return list.get(random.nextInt(list.size()));
    }

    private Sql sql() throws SQLException {
        var connection = sides.connect();
        connection.setAutoCommit(false);
        return new Sql(connection);
    }

    @Override
    public void close() throws Exception {
        stopEditing();
        editors.forEach(editor -> editor.cancel(false));
        var stopped = mender.isDone();
        mender.cancel(false);
        threads.shutdown();
        if (!threads.awaitTermination(30, TimeUnit.SECONDS)) {
            throw new AssertionError("somebody does not come to an end");
        }
        if (stopped) {
            mender.get();
        }
    }
}
