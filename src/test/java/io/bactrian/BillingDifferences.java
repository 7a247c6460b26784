package io.bactrian;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.DecimalNode;
import com.fasterxml.jackson.databind.node.NullNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.bactrian.sandbox.stripe.StripeSimulator;
import io.bactrian.sync.Sql;
import java.io.IOException;
import java.math.BigDecimal;
import java.math.RoundingMode;
import java.sql.SQLException;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import javax.sql.DataSource;

/**
 * In which way the invoices and products in Postgres and in Stripe differ: record by record, field by field and line by line, each named by
 * its id in Stripe. What both sides can spell in one way only is compared as it is; the exceptions are named where they are made.
 */
public final class BillingDifferences {

    private static final ObjectMapper JSON = new ObjectMapper();

    private static final String PRODUCTS = """
            select coalesce(l.external_id, 'row ' || p.id) as id, jsonb_build_object('name', p.name, 'description', p.description,
                   'active', p.active, 'unit_amount', p.unit_amount, 'currency', upper(p.currency)) as record
              from products p left join sync.link l on (l.system, l.entity, l.record_id) = ('stripe', 'products', p.id::text) and l.deleted_at is null""";

    private static final String INVOICES = """
            select coalesce(l.external_id, 'row ' || i.id) as id, jsonb_build_object('currency', upper(i.currency), 'status', i.status,
                   'total', i.total, 'subtotal', i.subtotal, 'tax', coalesce(i.tax, 0), 'discount', coalesce(i.discount, 0), 'amount_due', coalesce(i.amount_due, i.total), 'amount_paid', i.amount_paid, 'number', i.number, 'hosted_url', split_part(i.hosted_url, '?', 1), 'memo', i.memo,
                   'due_date', i.due_date, 'customer', c.external_id) || coalesce((
                     select jsonb_object_agg(coalesce(il.external_id, 'item ' || t.id), jsonb_build_object('quantity', trim_scale(t.quantity),
                            'unit_amount', t.unit_amount, 'amount', t.amount, 'description', t.description, 'product', p.external_id))
                       from invoice_items t
                       left join sync.link il on (il.system, il.entity, il.record_id) = ('stripe', 'invoice_items', t.id::text)
                       left join sync.link p on (p.system, p.entity, p.record_id) = ('stripe', 'products', t.product_id::text)
                      where t.invoice_id = i.id), '{}') as record
              from invoices i
              left join sync.link l on (l.system, l.entity, l.record_id) = ('stripe', 'invoices', i.id::text) and l.deleted_at is null
              left join sync.link c on (c.system, c.entity, c.record_id) = ('stripe', 'customers', i.customer_id::text) and c.deleted_at is null""";

    private final StripeSimulator stripe;
    private final List<String> differences = new ArrayList<>();
    private final Map<String, String> productNames = new HashMap<>();
    private final Set<String> gone = new HashSet<>();

    private BillingDifferences(StripeSimulator stripe) {
        this.stripe = stripe;
    }

    /** All of them; nothing when the two sides are equal. */
    public static List<String> between(DataSource hub, StripeSimulator stripe) throws SQLException {
        var comparison = new BillingDifferences(stripe);
        try (var sql = Sql.open(hub)) {
            comparison.compare(sql);
        }
        return comparison.differences;
    }

    private void compare(Sql sql) throws SQLException {
        gone.addAll(sql.texts("select external_id from sync.tombstone where system = 'stripe'"));
        var products = new TreeMap<String, ObjectNode>();
        for (var product : stripe.dashboard().products()) {
            productNames.put(product.get("id").asText(), product.get("name").asText());
            // One that has prices cannot be deleted in Stripe: it is archived.
            if (product.get("active").asBoolean() || !gone.contains(product.get("id").asText())) {
                products.put(product.get("id").asText(), product(product));
            }
        }
        compare("product", records(sql, PRODUCTS), products);

        var abandoned = new HashSet<>(sql.texts("select external_id from sync.link l where system = 'stripe' and entity = 'invoices'"
                + " and not exists (select from invoices i where i.id::text = l.record_id)"));
        var invoices = new TreeMap<String, ObjectNode>();
        var meant = new HashMap<String, String>();
        for (var invoice : stripe.dashboard().invoices()) {
            var id = invoice.get("id").asText();
            // A final one cannot be deleted in Stripe: it is void, and if it was paid it stays.
            if (!(invoice.get("status").asText().equals("void") && gone.contains(id) || invoice.get("status").asText().equals("paid") && abandoned.contains(id))) {
                invoices.put(id, invoice(invoice));
                var twin = invoice.at("/metadata/hub_id").isMissingNode() ? null : meant.put(invoice.at("/metadata/hub_id").asText(), id);
                if (twin != null) {
                    differences.add("row " + invoice.at("/metadata/hub_id") + " is meant by " + twin + " and " + id);
                }
            }
        }
        compare("invoice", records(sql, INVOICES), invoices);
        sql.texts("select i.id from invoices i where amount_due is null and total <> (select coalesce(sum(amount), 0) from invoice_items t where t.invoice_id = i.id)")
                .forEach(id -> differences.add("the total of row " + id + " is not the sum of its items"));
    }

    private void compare(String what, Map<String, ObjectNode> here, Map<String, ObjectNode> there) {
        var ids = new TreeSet<>(here.keySet());
        ids.addAll(there.keySet());
        for (var id : ids) {
            if (!there.containsKey(id)) {
                differences.add(what + " " + id + " is in Postgres only: " + here.get(id));
            } else if (!here.containsKey(id)) {
                differences.add(what + " " + id + " is in Stripe only: " + there.get(id));
            } else {
                compare(what + " " + id, here.get(id), there.get(id));
            }
        }
    }

    private void compare(String what, ObjectNode here, ObjectNode there) {
        var names = new TreeSet<String>();
        here.fieldNames().forEachRemaining(names::add);
        there.fieldNames().forEachRemaining(names::add);
        for (var name : names) {
            var one = here.path(name);
            var other = there.path(name);
            if (one instanceof ObjectNode oneItem && other instanceof ObjectNode otherItem) {
                compare(what + ", item " + name, oneItem, otherItem);
            } else if (!same(one, other) && !isLeftToStripe(name, one, other, there)) {
                differences.add(name + " of " + what + " is " + one + " in Postgres, " + other + " in Stripe");
            }
        }
    }

    private static boolean same(JsonNode one, JsonNode other) {
        var numbers = one.asText().matches("-?[0-9]+([.][0-9]+)?") && other.asText().matches("-?[0-9]+([.][0-9]+)?");
        return numbers ? new BigDecimal(one.asText()).compareTo(new BigDecimal(other.asText())) == 0 : one.toString().equals(other.toString());
    }

    /**
     * What a row without a value does not tell; a product that was deleted here; and in Stripe the price of a product is not below zero, so a
     * credit is for none.
     */
    private boolean isLeftToStripe(String name, JsonNode here, JsonNode there, ObjectNode object) {
        return switch (name) {
            case "due_date" -> here.isNull();
            case "customer" -> here.isNull() && stripe.dashboard().customer(there.asText()).path("deleted").asBoolean();
            case "description" -> here.isNull() && there.asText().equals(productNames.get(object.path("product").asText()));
            // Where quantity times price is not the amount, the row has the amount only.
            case "unit_amount" -> here.isNull() && !new BigDecimal(there.asText("0.5")).multiply(object.path("quantity").decimalValue())
                    .setScale(0, RoundingMode.HALF_UP).equals(object.path("amount").decimalValue().setScale(0)) || here.isNull() && there.asText().contains(".");
            case "product" -> here.isNull() && gone.contains(there.asText()) || there.isNull() && object.path("unit_amount").asLong() < 0;
            default -> false;
        };
    }

    private static ObjectNode product(JsonNode product) {
        var price = product.get("default_price");
        var record = JSON.createObjectNode();
        List.of("name", "description", "active").forEach(field -> record.set(field, product.get(field)));
        record.set("unit_amount", price.isNull() ? price : price.get("unit_amount"));
        return record.put("currency", price.isNull() || price.get("unit_amount").isNull() ? null : price.get("currency").asText().toUpperCase());
    }

    private static ObjectNode invoice(JsonNode invoice) {
        var record = JSON.createObjectNode();
        List.of("status", "amount_paid", "number", "customer").forEach(field -> record.set(field, invoice.get(field)));
        // A draft is reckoned here, without tax and discounts.
        var draft = invoice.get("status").asText().equals("draft");
        var worth = draft ? sum(invoice.at("/lines/data")) : invoice.get("total").asLong();
        record.put("total", worth).put("subtotal", draft ? worth : invoice.get("subtotal").asLong());
        record.put("tax", draft ? 0 : sum(invoice.get("total_taxes"))).put("discount", draft ? 0 : sum(invoice.get("total_discount_amounts")));
        record.put("amount_due", draft ? worth : invoice.get("amount_due").asLong());
        record.put("currency", invoice.get("currency").asText().toUpperCase());
        record.set("memo", invoice.get("description"));
        record.put("hosted_url", invoice.get("hosted_invoice_url").isNull() ? null : invoice.get("hosted_invoice_url").asText().split("\\?")[0]);
        record.put("due_date", invoice.get("due_date").isNull() ? null
                : Instant.ofEpochSecond(invoice.get("due_date").asLong()).atOffset(ZoneOffset.UTC).toLocalDate().toString());
        for (var line : invoice.at("/lines/data")) {
            // A subscription's has no invoice item.
            var item = record.putObject(line.at("/parent/invoice_item_details/invoice_item").asText(line.get("id").asText()));
            List.of("amount", "description").forEach(field -> item.set(field, line.get(field)));
            item.set("quantity", new DecimalNode(new BigDecimal(new BigDecimal(line.path("quantity_decimal").asText(line.path("quantity").asText())).stripTrailingZeros().toPlainString())));
            item.set("unit_amount", line.at("/pricing/unit_amount_decimal"));
            var product = line.at("/pricing/price_details/product");
            item.set("product", product.isMissingNode() ? NullNode.instance : product);
        }
        return record;
    }

    private static long sum(JsonNode amounts) {
        long sum = 0;
        for (var amount : amounts) {
            sum += amount.get("amount").asLong();
        }
        return sum;
    }

    private static Map<String, ObjectNode> records(Sql sql, String query) throws SQLException {
        var records = new TreeMap<String, ObjectNode>();
        for (var row : sql.rows(query)) {
            try {
                records.put(row.get("id").toString(), (ObjectNode) JSON.readTree(row.get("record").toString()));
            } catch (IOException e) {
                throw new AssertionError(e);
            }
        }
        return records;
    }
}
