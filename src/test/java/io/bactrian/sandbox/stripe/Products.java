package io.bactrian.sandbox.stripe;

import com.fasterxml.jackson.databind.node.ObjectNode;

/**
 * Products. What one costs is a price of its own, which the product names as its default.
 *
 * @see <a href="https://docs.stripe.com/api/products">Products</a>
 */
final class Products implements Resource.Lifecycle {

    @Override
    public void create(Transaction tx, ObjectNode product, ObjectNode values) {
        product.put("updated", tx.now);
        if (values.get("default_price_data") instanceof ObjectNode data) {
            product.set("default_price", Prices.make(tx, data, product.get("id"), true).get("id"));
        }
    }

    @Override
    public void update(Transaction tx, ObjectNode product, ObjectNode values) {
        var id = Json.text(values, "default_price");
        if (id != null) {
            var price = tx.find(id);
            if (!price.get("product").equals(product.get("id"))) {
                throw ApiError.invalid(null, "The price " + id + " belongs to another product: a default price must be one of the product's own.", "default_price");
            }
            if (!price.get("active").asBoolean()) {
                throw ApiError.invalid(null, "The price " + id + " is inactive: a default price must be active.", "default_price");
            }
        }
        if (!Diff.previous(tx.find(Json.text(product, "id")), product).isEmpty()) {
            product.put("updated", tx.now);
        }
    }

    @Override
    public void delete(Transaction tx, ObjectNode product) {
        if (!tx.where(Resources.PRICES, "product", Json.text(product, "id")).isEmpty()) {
            throw ApiError.invalid(null, "This product cannot be deleted because it has one or more user-created prices: archive it with active=false.", "id");
        }
    }
}
