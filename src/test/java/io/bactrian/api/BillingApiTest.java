package io.bactrian.api;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.bactrian.TestServices;
import io.bactrian.api.HubApi.Answer;
import io.swagger.v3.parser.OpenAPIV3Parser;
import io.swagger.v3.parser.core.models.ParseOptions;
import java.math.BigDecimal;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.SQLException;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Products and invoices over HTTP. What holds for every operation is in {@link HubApiTest}. */
class BillingApiTest {

    private static final ObjectMapper MAPPER = new ObjectMapper();
    private static final String MISFIT = "The request does not fit the contract.";

    private static TestServices.Database database;
    private static HubApi api;

    @BeforeAll
    static void start() throws Exception {
        database = TestServices.database();
        api = new HubApi(database);
    }

    @AfterAll
    static void stop() {
        api.close();
    }

    @BeforeEach
    void empty_the_tables() throws SQLException {
        execute("delete from invoices");
        execute("delete from products");
        execute("delete from customers");
    }

    @Test
    void creates_reads_and_deletes_a_product() throws Exception {
        var created = post("/products", "{'name': 'Lamp', 'description': 'It\\u0027s bright', 'unit_amount': 1999, 'currency': 'EUR'}");

        var path = path("products", created);
        assertEquals(path, created.header("Location"));
        assertEquals(
                json("{'name': 'Lamp', 'description': 'It\\u0027s bright', 'unit_amount': 1999, 'currency': 'EUR', 'pricing': null,"
                        + " 'price_interval': null, 'active': true}"),
                fields(created.json()));
        assertEquals(created.json(), api.get(path).json());
        assertEquals(204, delete(path).status());
        var sentence = "There is no product " + id(created) + ".";
        for (var answer : List.of(delete(path), api.get(path), patch(path, "{}"))) {
            assertProblem(404, sentence, answer);
        }
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', value = {
        "{}                                          | {'name':'Lamp','unit_amount':5,'currency':'eur','active':true}",
        "{'name':'Chair','active':false}             | {'name':'Chair','unit_amount':5,'currency':'eur','active':false}",
        "{'unit_amount':0,'description':'x'}         | {'name':'Lamp','description':'x','unit_amount':0,'currency':'eur','active':true}",
        "{'unit_amount':null,'currency':null}        | {'name':'Lamp','active':true}",
        "{'unit_amount':999999999999}                | {'name':'Lamp','unit_amount':999999999999,'currency':'eur','active':true}",
    })
    void patches_a_product_as_a_merge_patch_does(String patch, String expected) throws Exception {
        var path = path("products", post("/products", "{'name':'Lamp','unit_amount':5,'currency':'eur'}"));

        var patched = patch(path, patch);

        assertEquals(200, patched.status(), patched.http().body());
        assertEquals(json(expected), withoutNulls(fields(patched.json())));
        assertEquals(patched.json(), api.get(path).json());
    }

    @Test
    void creates_an_invoice_with_its_items_and_total_in_one_call() throws Exception {
        var customer = id(post("/customers", "{}"));
        var product = id(post("/products", "{'name':'Lamp'}"));

        var created = post("/invoices", """
                {'customer_id': %d, 'currency': 'USD', 'memo': 'Thanks', 'due_date': '2028-02-29', 'items': [
                  {'product_id': %d, 'description': 'Lamp', 'quantity': 3, 'unit_amount': 1999},
                  {'description': 'Delivery', 'unit_amount': 500},
                  {'description': 'Rebate', 'quantity': 1, 'unit_amount': -97}]}""".formatted(customer, product));

        assertEquals(path("invoices", created), created.header("Location"));
        assertEquals(
                json("""
                        {'customer_id': %d, 'number': null, 'currency': 'USD', 'status': 'draft', 'subtotal': 6400, 'discount': null, 'tax': null,
                         'shipping': null, 'total': 6400, 'amount_due': null, 'amount_paid': 0, 'memo': 'Thanks', 'due_date': '2028-02-29', 'hosted_url': null, 'items': [
                          {'product_id': %d, 'description': 'Lamp', 'quantity': 3, 'unit_amount': 1999, 'amount': 5997},
                          {'product_id': null, 'description': 'Delivery', 'quantity': 1, 'unit_amount': 500, 'amount': 500},
                          {'product_id': null, 'description': 'Rebate', 'quantity': 1, 'unit_amount': -97, 'amount': -97}]}"""
                        .formatted(customer, product)),
                fields(created.json()));
        assertEquals(created.json(), api.get(created.header("Location")).json());
        assertEquals(List.of(created.json()), data(api.get("/api/invoices")));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', value = {
        "{'currency':'jpy'}                           | draft | 0",
        "{'currency':'jpy','items':[]}                | draft | 0",
        "{'currency':'jpy','status':'open','items':[{'quantity':0,'unit_amount':5}]}                | open  | 0",
        "{'currency':'jpy','items':[{'quantity':2147483647,'unit_amount':4294967298}]}              | draft | 9223372036854775806",
        "{'currency':'jpy','items':[{'quantity':9000000,'unit_amount':-999999999999}]}              | draft | -8999999999991000000",
    })
    void creates_an_invoice_with_as_little_and_as_much_as_there_may_be(String body, String status, long total) throws Exception {
        var created = post("/invoices", body).json();

        assertEquals(status, created.get("status").textValue());
        assertEquals(total, created.get("total").longValue());
    }

    @ParameterizedTest
    @CsvSource({"1.5, 10000, 15000", "0.5, 5, 3", "2.5, -3, -8", "0.000000000001, 999999999999, 1", "1.50, 100, 150"})
    void quantities_have_decimals_and_amounts_are_rounded_half_away_from_zero(String quantity, long unitAmount, long amount) throws Exception {
        var created = post("/invoices", "{'currency':'EUR','items':[{'quantity':" + quantity + ",'unit_amount':" + unitAmount + "}]}");

        var item = created.json().at("/items/0");
        assertEquals(0, new BigDecimal(quantity).compareTo(item.get("quantity").decimalValue()));
        assertEquals(amount, item.get("amount").longValue());
        assertEquals(amount, total(created));
    }

    @Test
    void an_invoice_without_items_stays_a_draft() throws Exception {
        var needsItems = "An invoice without items cannot leave draft: add items first, or create it with some.";
        assertProblem(409, needsItems, send("POST", "/invoices", "{'currency':'EUR','status':'open'}"));
        assertProblem(409, needsItems, send("POST", "/invoices", "{'currency':'EUR','status':'open','items':[]}"));
        assertEquals(List.of(), data(api.get("/api/invoices")));

        var path = path("invoices", post("/invoices", "{'currency':'EUR'}"));
        for (var status : List.of("open", "paid", "void", "uncollectible")) {
            assertProblem(409, needsItems, patch(path, "{'status':'" + status + "'}"));
        }
        assertEquals(200, patch(path, "{'memo':'soon'}").status());
        assertEquals("draft", api.get(path).json().get("status").textValue());

        send("POST", path, "/items", "{'unit_amount':0}");
        assertEquals(200, patch(path, "{'status':'open'}").status());
    }

    @Test
    void keeps_the_order_of_many_items() throws Exception {
        var items = IntStream.rangeClosed(1, 1000).mapToObj(i -> "{'unit_amount':" + i + "}").collect(Collectors.joining(","));

        var created = post("/invoices", "{'currency':'EUR','items':[" + items + "]}").json();

        assertEquals(500500, created.get("total").longValue());
        assertEquals(
                IntStream.rangeClosed(1, 1000).boxed().toList(),
                created.findValues("unit_amount").stream().map(JsonNode::intValue).toList());
    }

    @Test
    void stores_nothing_of_an_invoice_with_an_item_that_is_refused() throws Exception {
        var answer = send("POST", "/invoices", "{'currency':'EUR','items':[{'unit_amount':1},{'unit_amount':1,'product_id':7}]}");

        assertProblem(409, "There is no product with this product_id: create it first, or give null.", answer);
        assertEquals(List.of(), data(api.get("/api/invoices")));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', value = {
        "{}                                              | {'memo':'m','due_date':'2027-01-31','status':'draft','currency':'EUR'}",
        "{'memo':null,'due_date':null}                   | {'status':'draft','currency':'EUR'}",
        "{'status':'open','currency':'usd'}              | {'memo':'m','due_date':'2027-01-31','status':'open','currency':'usd'}",
        "{'status':'void'}                               | {'memo':'m','due_date':'2027-01-31','status':'void','currency':'EUR'}",
        "{'status':'uncollectible'}                      | {'memo':'m','due_date':'2027-01-31','status':'uncollectible','currency':'EUR'}",
        "{'status':'paid','due_date':'2028-02-29'}       | {'memo':'m','due_date':'2028-02-29','status':'paid','currency':'EUR'}",
    })
    void patches_an_invoice_and_leaves_its_items(String patch, String expected) throws Exception {
        var created = post("/invoices", "{'currency':'EUR','memo':'m','due_date':'2027-01-31','items':[{'unit_amount':5}]}");
        var path = path("invoices", created);

        var patched = patch(path, patch);

        assertEquals(200, patched.status(), patched.http().body());
        var changed = withoutNulls(fields(patched.json()));
        changed.remove(List.of("items", "subtotal", "total", "amount_paid"));
        assertEquals(json(expected), changed);
        assertEquals(created.json().get("items"), patched.json().get("items"));
        assertEquals(5, patched.json().get("total").longValue());
        assertEquals(patched.json(), api.get(path).json());
    }

    @Test
    void sets_and_clears_the_customer_of_an_invoice() throws Exception {
        var customer = id(post("/customers", "{}"));
        var path = path("invoices", post("/invoices", "{'currency':'EUR'}"));

        assertEquals(customer, patch(path, "{'customer_id':" + customer + "}").json().get("customer_id").longValue());
        assertTrue(patch(path, "{'customer_id':null}").json().get("customer_id").isNull());
    }

    @Test
    void the_total_is_right_in_the_answer_to_each_change_of_an_item() throws Exception {
        var path = path("invoices", post("/invoices", "{'currency':'EUR','items':[{'unit_amount':100}]}"));

        var added = send("POST", path, "/items", "{'description':'b','quantity':2,'unit_amount':30}");
        assertEquals(201, added.status(), added.http().body());
        var item = added.header("Location");
        assertEquals(path + "/items/" + added.json().at("/items/1/id").longValue(), item);
        assertEquals(List.of(160L, 60L), List.of(total(added), added.json().at("/items/1/amount").longValue()));
        assertEquals(added.json(), api.get(path).json());

        var patched = patch(item, "{'quantity':5,'description':null}");
        assertEquals(200, patched.status(), patched.http().body());
        assertEquals(250, total(patched));
        assertTrue(patched.json().at("/items/1/description").isNull());
        assertEquals(patched.json(), api.get(path).json());
        assertEquals(patched.json(), patch(item, "{}").json());

        assertEquals(204, delete(item).status());
        assertEquals(100, total(api.get(path)));
        assertEquals(1, api.get(path).json().get("items").size());
    }

    @Test
    void a_total_that_was_wrong_is_right_after_a_change_of_an_item() throws Exception {
        var path = path("invoices", post("/invoices", "{'currency':'EUR','items':[{'unit_amount':100}]}"));
        execute("update invoices set total = 7");

        assertEquals(130, total(send("POST", path, "/items", "{'unit_amount':30}")));
    }

    @Test
    void items_of_another_invoice_are_not_there() throws Exception {
        var mine = post("/invoices", "{'currency':'EUR','items':[{'unit_amount':1}]}");
        var other = post("/invoices", "{'currency':'EUR','items':[{'unit_amount':2}]}");
        var item = other.json().at("/items/0/id").longValue();
        var path = path("invoices", mine) + "/items/" + item;

        for (var answer : List.of(patch(path, "{'unit_amount':3}"), delete(path))) {
            assertProblem(404, "There is no item " + item + " of invoice " + id(mine) + ".", answer);
        }
        assertEquals(other.json(), api.get(path("invoices", other)).json());
    }

    @Test
    void says_which_invoice_is_not_there() throws Exception {
        var path = path("invoices", post("/invoices", "{'currency':'EUR','items':[{'unit_amount':1}]}"));
        var id = path.replaceAll(".*/", "");
        assertEquals(204, delete(path).status());

        for (var answer : List.of(delete(path), api.get(path), patch(path, "{}"), send("POST", path, "/items", "{'unit_amount':1}"))) {
            assertProblem(404, "There is no invoice " + id + ".", answer);
        }
        assertProblem(404, "There is no item 1 of invoice " + id + ".", delete(path + "/items/1"));
    }

    @Test
    void an_invoice_outlives_its_customer_and_products() throws Exception {
        var customer = post("/customers", "{}");
        var product = post("/products", "{'name':'Lamp'}");
        var path = path("invoices", post("/invoices", "{'customer_id':%d,'currency':'EUR','items':[{'product_id':%d,'unit_amount':5}]}"
                .formatted(id(customer), id(product))));

        delete(path("customers", customer));
        delete(path("products", product));

        var invoice = api.get(path).json();
        assertTrue(invoice.get("customer_id").isNull());
        assertTrue(invoice.at("/items/0/product_id").isNull());
        assertEquals(5, invoice.get("total").longValue());
    }

    @Test
    void pages_through_the_invoices_that_match() throws Exception {
        var customer = id(post("/customers", "{}"));
        var mine = "{'currency':'EUR','status':'open','items':[{'unit_amount':1}],'customer_id':" + customer + "}";
        var wanted = List.of(id(post("/invoices", mine)), id(post("/invoices", mine)), id(post("/invoices", mine)));
        post("/invoices", "{'currency':'EUR','status':'open','items':[{'unit_amount':1}]}");
        post("/invoices", "{'currency':'EUR','customer_id':" + customer + "}");

        var first = api.get("/api/invoices?status=open&limit=2&customer_id=" + customer);
        var link = first.header("Link");
        assertEquals("</api/invoices?limit=2&after=" + wanted.get(1) + "&customer_id=" + customer + "&status=open>; rel=\"next\"", link);
        var second = api.get(link.substring(1, link.indexOf('>')));

        assertEquals(wanted.subList(0, 2), ids(first));
        assertEquals(wanted.subList(2, 3), ids(second));
        assertNull(second.header("Link"));
        assertEquals(4, data(api.get("/api/invoices?status=open")).size());
        assertEquals(4, data(api.get("/api/invoices?customer_id=" + customer)).size());
    }

    @Test
    void finds_products_that_are_sold_or_not() throws Exception {
        var sold = id(post("/products", "{'name':'a'}"));
        var old = id(post("/products", "{'name':'b','active':false}"));
        var alsoSold = id(post("/products", "{'name':'c'}"));

        assertEquals(List.of(sold, old, alsoSold), ids(api.get("/api/products")));
        assertEquals(List.of(old), ids(api.get("/api/products?active=false")));
        var first = api.get("/api/products?active=true&limit=1");
        assertEquals(List.of(sold), ids(first));
        assertEquals("</api/products?limit=1&after=" + sold + "&active=true>; rel=\"next\"", first.header("Link"));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', value = {
        "/products?active=1              | active      | must be of the type boolean",
        "/products?active=               | active      | must be of the type boolean",
        "/products?active=null           | active      | must be of the type boolean",
        "/products?email=x               | email       | is not a parameter here",
        "/invoices?customer_id=x         | customer_id | must be of the type integer",
        "/invoices?customer_id=1.5       | customer_id | must be of the type integer",
        "/invoices?customer_id=9223372036854775808 | customer_id | must not be more than 9223372036854775807",
    })
    void refuses_a_parameter_that_does_not_fit(String path, String parameter, String message) throws Exception {
        var answer = api.get("/api" + path);

        assertProblem(400, MISFIT, answer);
        assertEquals(MAPPER.valueToTree(List.of(Map.of("parameter", parameter, "message", message))), answer.json().get("errors"));
    }

    @Test
    void refuses_a_status_that_is_none() throws Exception {
        var answer = api.get("/api/invoices?status=open'--");

        assertProblem(400, MISFIT, answer);
        assertEquals("status", answer.json().at("/errors/0/parameter").textValue());
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', value = {
        "{}                                           | /name         | is missing",
        "{'name':null}                                | /name         | must be of the type string",
        "{'name':''}                                  | /name         | must be at least 1 characters long",
        "{'name':'x','currency':'EURO'}               | /currency     | does not match the regex pattern ^[A-Za-z]{3}$",
        "{'name':'x','currency':'eu\\n'}              | /currency     | does not match the regex pattern ^[A-Za-z]{3}$",
        "{'name':'x','unit_amount':-1}                | /unit_amount  | must not be less than 0",
        "{'name':'x','unit_amount':1000000000000}     | /unit_amount  | must not be more than 999999999999",
        "{'name':'x','unit_amount':1e400}             | /unit_amount  | must be of the type integer",
        "{'name':'x','unit_amount':19.99}             | /unit_amount  | must be of the type integer",
        "{'name':'x','unit_amount':1.0}               | /unit_amount  | must be of the type integer",
        "{'name':'x','unit_amount':'5'}               | /unit_amount  | must be of the type integer",
        "{'name':'x','active':null}                   | /active       | must be of the type boolean",
        "{'name':'x','active':'true'}                 | /active       | must be of the type boolean",
        "{'name':'x','id':7}                          | /id           | is not a field here",
        "{'name':'x','created_at':'2020-01-01'}       | /created_at   | is not a field here",
    })
    void refuses_a_product_that_does_not_fit(String body, String pointer, String message) throws Exception {
        assertMisfit(pointer, message, send("POST", "/products", body));
        assertEquals(List.of(), data(api.get("/api/products")));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', value = {
        "{}                                             | /currency              | is missing",
        "{'currency':null}                              | /currency              | must be of the type string",
        "{'currency':'EURO'}                            | /currency              | does not match the regex pattern ^[A-Za-z]{3}$",
        "{'currency':'EUR','customer_id':'1'}           | /customer_id           | must be of the type integer",
        "{'currency':'EUR','customer_id':9223372036854775808} | /customer_id     | must not be more than 9223372036854775807",
        "{'currency':'EUR','status':'paid'}             | /status                | does not have a value in the enumeration ['draft', 'open']",
        "{'currency':'EUR','status':null}               | /status                | must be of the type string",
        "{'currency':'EUR','due_date':'2027-02-29'}     | /due_date              | is not a valid date",
        "{'currency':'EUR','due_date':'tomorrow'}       | /due_date              | is not a valid date",
        "{'currency':'EUR','due_date':'0000-01-01'}     | /due_date              | does not match the regex pattern ^[1-9][0-9]{3}-",
        "{'currency':'EUR','total':5}                   | /total                 | is not a field here",
        "{'currency':'EUR','amount_paid':5}             | /amount_paid           | is not a field here",
        "{'currency':'EUR','number':'A-1'}              | /number                | is not a field here",
        "{'currency':'EUR','hosted_url':'x'}            | /hosted_url            | is not a field here",
        "{'currency':'EUR','items':{}}                  | /items                 | must be of the type array",
        "{'currency':'EUR','items':null}                | /items                 | must be of the type array",
        "{'currency':'EUR','items':[5]}                 | /items/0               | must be of the type object",
        "{'currency':'EUR','items':[{}]}                | /items/0/unit_amount   | is missing",
        "{'currency':'EUR','items':[{'unit_amount':1},{'unit_amount':1,'quantity':-1}]} | /items/1/quantity    | must not be less than 0",
        "{'currency':'EUR','items':[{'unit_amount':1,'quantity':2147483648}]}           | /items/0/quantity    | must not be more than 2147483647",
        "{'currency':'EUR','items':[{'unit_amount':1,'quantity':'1.5'}]}                | /items/0/quantity    | must be of the type number",
        "{'currency':'EUR','items':[{'unit_amount':1,'quantity':null}]}                 | /items/0/quantity    | must be of the type number",
        "{'currency':'EUR','items':[{'unit_amount':-1000000000000}]}                    | /items/0/unit_amount | must not be less than -999999999999",
        "{'currency':'EUR','items':[{'unit_amount':1,'amount':1}]}                      | /items/0/amount      | is not a field here",
        "{'currency':'EUR','items':[{'unit_amount':1,'invoice_id':1}]}                  | /items/0/invoice_id  | is not a field here",
        "{'currency':'EUR','items':[{'unit_amount':1,'description':'\\u0000'}]}         | /items/0/description | has a character that cannot be stored: NUL, or half a surrogate pair",
    })
    void refuses_an_invoice_that_does_not_fit(String body, String pointer, String message) throws Exception {
        assertMisfit(pointer, message.replace('\'', '"'), send("POST", "/invoices", body));
        assertEquals(List.of(), data(api.get("/api/invoices")));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', value = {
        "{'status':'draft'}     | /status     | does not have a value in the enumeration ['open', 'paid', 'void', 'uncollectible']",
        "{'currency':null}      | /currency   | must be of the type string",
        "{'total':5}            | /total      | is not a field here",
        "{'items':[]}           | /items      | is not a field here",
        "{'updated_at':'x'}     | /updated_at | is not a field here",
    })
    void refuses_a_patch_of_an_invoice_that_does_not_fit(String body, String pointer, String message) throws Exception {
        var created = post("/invoices", "{'currency':'EUR'}");

        assertMisfit(pointer, message.replace('\'', '"'), patch(path("invoices", created), body));
        assertEquals(created.json(), api.get(path("invoices", created)).json());
    }

    @ParameterizedTest
    @ValueSource(strings = {"{'quantity':-1}", "{'unit_amount':null}", "{'amount':1}", "{'invoice_id':1}", "{'id':1}", "[]"})
    void refuses_a_patch_of_an_item_that_does_not_fit(String body) throws Exception {
        var created = post("/invoices", "{'currency':'EUR','items':[{'unit_amount':1}]}");
        var path = path("invoices", created);

        assertProblem(400, MISFIT, patch(path + "/items/" + created.json().at("/items/0/id").longValue(), body));
        assertProblem(400, MISFIT, patch(path + "/items/x", "{}"));
        assertEquals(created.json(), api.get(path).json());
    }

    @Test
    void refuses_more_than_a_thousand_items() throws Exception {
        var answer = send("POST", "/invoices", "{'currency':'EUR','items':[" + "{'unit_amount':1},".repeat(1000) + "{'unit_amount':1}]}");

        assertProblem(400, MISFIT, answer);
        assertEquals("/items", answer.json().at("/errors/0/pointer").textValue());
    }

    @Test
    void says_what_a_rule_of_the_tables_wants() throws Exception {
        var noPrice = "A price is a unit_amount with a currency: give both, or neither.";
        var noCustomer = "There is no customer with this customer_id: create it first, or give null.";
        var noProduct = "There is no product with this product_id: create it first, or give null.";
        var tooLarge = "An amount, quantity times unit_amount, or their sum is too large: give smaller ones.";
        var product = path("products", post("/products", "{'name':'x','unit_amount':1,'currency':'EUR'}"));
        var created = post("/invoices", "{'currency':'EUR','items':[{'quantity':9000000,'unit_amount':999999999999}]}");
        var invoice = path("invoices", created);
        var item = invoice + "/items/" + created.json().at("/items/0/id").longValue();

        assertProblem(409, noPrice, send("POST", "/products", "{'name':'x','unit_amount':1}"));
        assertProblem(409, noPrice, patch(product, "{'currency':null}"));
        assertProblem(409, noCustomer, send("POST", "/invoices", "{'currency':'EUR','customer_id':-1}"));
        assertProblem(409, noCustomer, patch(invoice, "{'customer_id':-1}"));
        assertProblem(409, noProduct, send("POST", invoice, "/items", "{'unit_amount':1,'product_id':-1}"));
        assertProblem(409, noProduct, patch(item, "{'product_id':-1}"));
        assertProblem(409, tooLarge, patch(item, "{'quantity':2147483647}"));
        assertProblem(409, tooLarge, send("POST", invoice, "/items", "{'quantity':9000000,'unit_amount':999999999999}"));
        assertProblem(409, tooLarge, send("POST", "/invoices", "{'currency':'EUR','items':[{'quantity':9999999,'unit_amount':999999999999}]}"));
        assertEquals(created.json(), api.get(invoice).json());
    }

    @Test
    void a_rule_of_the_companys_own_tells_nothing_of_itself() throws Exception {
        execute("alter table invoices add constraint \"no \"\"big\"\" memo\" check (memo <> 'big')");
        execute("create table stock (product_id bigint references products)");
        try {
            var product = post("/products", "{'name':'x'}");
            execute("insert into stock values (" + id(product) + ")");
            var general = "A rule of the catalogue's table does not allow these values.";

            assertProblem(409, general, send("POST", "/invoices", "{'currency':'EUR','memo':'big'}"));
            assertProblem(409, general, delete(path("products", product)));
        } finally {
            execute("drop table stock");
            execute("alter table invoices drop constraint \"no \"\"big\"\" memo\"");
        }
    }

    @Test
    void changes_of_items_at_once_leave_the_right_total() throws Exception {
        var path = path("invoices", post("/invoices", "{'currency':'EUR'}"));

        var editors = IntStream.range(0, 4).mapToObj(editor -> CompletableFuture.runAsync(() -> {
            try {
                for (var i = 1; i <= 10; i++) {
                    var item = send("POST", path, "/items", "{'unit_amount':1}").header("Location");
                    assertEquals(200, patch(item, "{'quantity':" + i + "}").status());
                    if (i % 2 == 0) {
                        assertEquals(204, delete(item).status());
                    }
                }
            } catch (Exception e) {
                throw new CompletionException(e);
            }
        }, task -> new Thread(task).start())).toArray(CompletableFuture[]::new);
        CompletableFuture.allOf(editors).join();

        assertEquals(4 * (1 + 3 + 5 + 7 + 9), total(api.get(path)));
    }

    @Test
    void deleting_an_invoice_whose_items_change_makes_nobody_fail() throws Exception {
        for (var round = 0; round < 20; round++) {
            var created = post("/invoices", "{'currency':'EUR','items':[{'unit_amount':1}]}");
            var path = path("invoices", created);
            var item = path + "/items/" + created.json().at("/items/0/id").longValue();
            var statuses = List.of(later(() -> patch(item, "{'quantity':2}")), later(() -> send("POST", path, "/items", "{'unit_amount':1}")));

            assertEquals(204, delete(path).status());
            for (var status : statuses) {
                assertTrue(List.of(200, 201, 404).contains(status.join()), "status " + status.join());
            }
        }
    }

    @Test
    void answers_what_the_contract_promises() throws Exception {
        var options = new ParseOptions();
        options.setResolveFully(true);
        var schemas = new OpenAPIV3Parser().readContents(Files.readString(Path.of("routes/hub-api.openapi.yaml")), null, options)
                .getOpenAPI().getComponents().getSchemas();
        var check = new SchemaCheck();
        var product = post("/products", "{'name':'x','unit_amount':1,'currency':'EUR'}").json();
        var invoice = post("/invoices", "{'currency':'EUR','due_date':'2027-01-31','items':[{'quantity':9,'unit_amount':-9}]}").json();

        assertEquals(List.of(), check.faults(product, schemas.get("Product")));
        assertEquals(List.of(), check.faults(invoice, schemas.get("Invoice")));
        assertEquals(List.of(), check.faults(api.get("/api/products").json(), schemas.get("ProductPage")));
        assertEquals(List.of(), check.faults(api.get("/api/invoices").json(), schemas.get("InvoicePage")));
    }

    private interface Call {
        Answer send() throws Exception;
    }

    private static CompletableFuture<Integer> later(Call call) {
        return CompletableFuture.supplyAsync(() -> {
            try {
                return call.send().status();
            } catch (Exception e) {
                throw new CompletionException(e);
            }
        }, task -> new Thread(task).start());
    }

    private static Answer post(String path, String body) throws Exception {
        var answer = send("POST", path, body);
        assertEquals(201, answer.status(), answer.http().body());
        return answer;
    }

    private static Answer send(String method, String path, String body) throws Exception {
        return api.send(method, "/api" + path, HubApi.JSON, body.replace('\'', '"'));
    }

    private static Answer send(String method, String record, String below, String body) throws Exception {
        return api.send(method, record + below, HubApi.JSON, body.replace('\'', '"'));
    }

    private static Answer patch(String path, String body) throws Exception {
        return api.send("PATCH", path, HubApi.MERGE_PATCH, body.replace('\'', '"'));
    }

    private static Answer delete(String path) throws Exception {
        return api.send(api.request(path).DELETE());
    }

    private static String path(String entity, Answer record) {
        return "/api/" + entity + "/" + id(record);
    }

    private static long id(Answer record) {
        return record.json().get("id").longValue();
    }

    private static long total(Answer invoice) {
        return invoice.json().get("total").longValue();
    }

    private static List<JsonNode> data(Answer page) {
        return StreamSupport.stream(page.json().get("data").spliterator(), false).toList();
    }

    private static List<Long> ids(Answer page) {
        return data(page).stream().map(record -> record.get("id").longValue()).toList();
    }

    private static JsonNode json(String text) throws Exception {
        return MAPPER.readTree(text.replace('\'', '"'));
    }

    private static ObjectNode fields(JsonNode record) {
        var fields = record.<ObjectNode>deepCopy();
        fields.remove(List.of("id", "created_at", "updated_at"));
        fields.path("items").forEach(item -> ((ObjectNode) item).remove("id"));
        return fields;
    }

    private static ObjectNode withoutNulls(ObjectNode fields) {
        fields.properties().removeIf(field -> field.getValue().isNull());
        return fields;
    }

    private static void assertMisfit(String pointer, String message, Answer answer) {
        assertProblem(400, MISFIT, answer);
        var errors = answer.json().get("errors");
        assertEquals(Set.of(pointer), Set.copyOf(errors.findValuesAsText("pointer")), answer.http().body());
        assertTrue(errors.findValuesAsText("message").contains(message), answer.http().body());
    }

    private static void assertProblem(int status, String detail, Answer answer) {
        assertEquals(status, answer.status(), answer.http().body());
        assertEquals(Problem.MEDIA_TYPE, answer.header("Content-Type"));
        assertEquals(detail, answer.json().get("detail").textValue());
    }

    private static void execute(String sql) throws SQLException {
        try (var connection = database.dataSource().getConnection(); var statement = connection.createStatement()) {
            statement.execute(sql);
        }
    }
}
