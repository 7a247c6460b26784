package io.bactrian.routes;

import static io.bactrian.routes.StripeScene.eventually;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.bactrian.sandbox.stripe.Access.Level;
import io.bactrian.sandbox.stripe.ApiCall;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/** Everything that the routes do is done with a key that has the permissions of docs/operations.md and no others; and each of them is needed. */
class RestrictedKeyTest {

    private static final String KEY = "rk_test_documented";
    /** Whose key it is, which it need not be allowed to tell. */
    private static final String OPTIONAL = "/v1/account";
    /** A line of the table: | `routes/stripe-products.camel.yaml` | Products write, Prices write |. */
    private static final Pattern LINE = Pattern.compile("(?m)^\\| `routes/(stripe-[a-z-]+\\.camel\\.yaml)`[^|]*\\| ([A-Z][^|]*) \\|");
    private static final Map<String, String> RESOURCES = Map.of("Customers", "customers", "Products", "products", "Prices", "prices", "Invoices", "invoices",
            "Invoice items", "invoiceitems", "Events", "events");

    @Test
    void all_flows_work_with_the_documented_permissions_and_each_is_needed() throws Exception {
        var documented = documented();
        try (var scene = new StripeScene(builder -> builder.with("stripe.api-key", KEY).with("stripe.inbound", "both").with("stripe.poll-interval", "500"))) {
            scene.stripe().access().grant(KEY, documented);
            fromHere(scene);
            fromThere(scene);
            reconciled(scene);
            eventually().until(() -> used(scene).keySet().containsAll(documented.keySet()));
            assertEquals(List.of(), scene.stripe().apiCalls().stream().filter(call -> call.status() == 403 && !call.path().equals(OPTIONAL)).map(call -> call.method() + " " + call.path()).distinct().toList());
            assertEquals(documented, used(scene));
            assertEquals(List.of(), scene.texts("select reason from sync.failure"));
        }
    }

    @Test
    void every_route_file_that_calls_stripe_has_its_line() throws Exception {
        var files = new TreeSet<String>();
        for (var file : RouteFile.all(Path.of("routes"))) {
            if (file.text().contains("direct:ask-stripe") || file.text().contains("ref: stripeAccounts") || file.text().contains("direct:call-stripe") || file.text().contains("{name: system, value: stripe}")) {
                files.add(file.path().getFileName().toString());
            }
        }
        files.removeAll(Set.of("stripe-call.camel.yaml", "stripe-prices.camel.yaml", "stripe-invoice-call.camel.yaml")); // they call for the others
        assertEquals(files, LINE.matcher(Files.readString(Path.of("docs/operations.md"))).results().map(line -> line.group(1)).collect(Collectors.toCollection(TreeSet::new)));
    }

    private static void fromHere(StripeScene scene) throws Exception {
        var customer = scene.text("insert into customers (name, email) values ('Ada', 'ada@example.com') returning id");
        var product = scene.text("insert into products (name, unit_amount, currency) values ('Lamp', 1999, 'EUR') returning id");
        var invoice = scene.text("insert into invoices (customer_id, currency) values (" + customer + ", 'EUR') returning id");
        scene.run("insert into invoice_items (invoice_id, product_id, description, quantity, unit_amount) values (" + invoice + ", " + product + ", 'Lamp', 2, 1999), ("
                + invoice + ", null, 'Work', 1, 5000)");
        scene.linked("invoices", invoice);
        scene.awaitEqual();
        scene.run("update customers set phone = '1'", "update products set unit_amount = 2500", "update invoices set memo = 'new'",
                "delete from invoice_items where description = 'Work'", "update invoice_items set quantity = 3");
        scene.awaitEqual();
        scene.run("update invoices set status = 'paid' where id = " + invoice);
        scene.awaitEqual();
        var draft = scene.text("insert into invoices (customer_id, currency) values (" + customer + ", 'EUR') returning id");
        scene.linked("invoices", draft);
        scene.awaitEqual();
        scene.run("delete from invoices where id = " + draft);
        scene.run("delete from products where id = " + product);
        scene.run("delete from customers where id = " + scene.text("insert into customers (name) values ('Bob') returning id"));
        scene.awaitEqual();
    }

    private static void fromThere(StripeScene scene) throws Exception {
        scene.stripe().apiVersion("2024-06-20");
        var customer = scene.dashboard().createCustomer(Map.of("name", "Cy")).get("id").asText();
        var product = scene.dashboard().createProduct(Map.of("name", "Chair", "unit_amount", 100, "currency", "eur")).get("id").asText();
        var invoice = scene.dashboard().createInvoice(Map.of("customer", customer, "currency", "eur", "lines", List.of(Map.of("description", "Chair", "quantity", 12, "product", product))));
        scene.record("invoices", invoice);
        scene.dashboard().updateProduct(product, Map.of("unit_amount", 120, "currency", "eur"));
        scene.dashboard().finalizeInvoice(invoice.get("id").asText());
        scene.awaitText("open", "select status from invoices where id = " + scene.record("invoices", invoice));
        scene.awaitEqual();
    }

    private static void reconciled(StripeScene scene) throws Exception {
        scene.run("select sync.reconcile('stripe', name, 'heal') from sync.entity where part_of is null");
        scene.awaitText("3", "select count(*) from sync.run where state = 'done'");
        scene.awaitEqual();
    }

    /** What the document says: the highest level of each resource. */
    private static Map<String, Level> documented() throws Exception {
        var levels = new TreeMap<String, Level>();
        LINE.matcher(Files.readString(Path.of("docs/operations.md"))).results().flatMap(line -> Pattern.compile(", ").splitAsStream(line.group(2))).forEach(permission -> {
            var space = permission.lastIndexOf(' ');
            levels.merge(RESOURCES.get(permission.substring(0, space)), Level.valueOf(permission.substring(space + 1).toUpperCase(Locale.ROOT)),
                    (one, other) -> one.compareTo(other) > 0 ? one : other);
        });
        return levels;
    }

    /** What the calls needed. */
    private static Map<String, Level> used(StripeScene scene) {
        return scene.stripe().apiCalls().stream().filter(call -> !call.path().equals(OPTIONAL))
                .collect(Collectors.toMap(call -> call.path().split("/")[2], RestrictedKeyTest::needed, (one, other) -> one.compareTo(other) > 0 ? one : other, TreeMap::new));
    }

    private static Level needed(ApiCall call) {
        return call.method().equals("GET") ? Level.READ : Level.WRITE;
    }
}
