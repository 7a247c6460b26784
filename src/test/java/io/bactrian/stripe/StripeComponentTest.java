package io.bactrian.stripe;

import static io.bactrian.stripe.StripeHeaders.IDEMPOTENCY_KEY;
import static io.bactrian.stripe.StripeHeaders.METHOD;
import static io.bactrian.stripe.StripeHeaders.OBJECT_ID;
import static io.bactrian.stripe.StripeHeaders.OPERATION;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.NullNode;
import com.stripe.Stripe;
import java.io.ByteArrayInputStream;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.apache.camel.CamelContext;
import org.apache.camel.Exchange;
import org.apache.camel.ProducerTemplate;
import org.apache.camel.impl.DefaultCamelContext;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What the component sends, and what it makes of a success. */
class StripeComponentTest {

    private static RecordingServer stripe;
    private static CamelContext context;
    private static ProducerTemplate template;

    @BeforeAll
    static void start() throws Exception {
        stripe = new RecordingServer();
        context = new DefaultCamelContext();
        context.start();
        var component = context.getComponent("stripe", StripeComponent.class);
        component.setApiKey("sk_test_one");
        component.setApiBase(stripe.address() + "/");
        template = context.createProducerTemplate();
    }

    @BeforeEach
    void reset() {
        stripe.reset();
    }

    @AfterAll
    static void stop() {
        context.stop();
        stripe.close();
    }

    private Exchange call(String uri, Object body, Map<String, Object> headers) {
        var exchange = template.request(uri, e -> {
            e.getMessage().setBody(body);
            e.getMessage().setHeaders(new HashMap<>(headers));
        });
        if (exchange.getException() instanceof RuntimeException e) {
            throw e;
        }
        assertNull(exchange.getException());
        return exchange;
    }

    private Map<?, ?> answer(String uri, Object body) {
        return call(uri, body, Map.of()).getMessage().getBody(Map.class);
    }

    private static JsonNode json(String text) throws Exception {
        return new ObjectMapper().readTree(text);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            account             | retrieve         | GET /v1/account
            balanceTransactions | retrieve         | GET /v1/balance_transactions/x_1
            balanceTransactions | list             | GET /v1/balance_transactions
            charges             | create           | POST /v1/charges
            charges             | retrieve         | GET /v1/charges/x_1
            charges             | update           | POST /v1/charges/x_1
            charges             | list             | GET /v1/charges
            charges             | capture          | POST /v1/charges/x_1/capture
            checkoutSessions    | expire           | POST /v1/checkout/sessions/x_1/expire
            creditNotes         | void             | POST /v1/credit_notes/x_1/void
            customers           | create           | POST /v1/customers
            customers           | retrieve         | GET /v1/customers/x_1
            customers           | update           | POST /v1/customers/x_1
            customers           | delete           | DELETE /v1/customers/x_1
            customers           | list             | GET /v1/customers
            customers           | search           | GET /v1/customers/search
            events              | retrieve         | GET /v1/events/x_1
            events              | list             | GET /v1/events
            invoiceItems        | create           | POST /v1/invoiceitems
            invoiceItems        | delete           | DELETE /v1/invoiceitems/x_1
            invoices            | create           | POST /v1/invoices
            invoices            | delete           | DELETE /v1/invoices/x_1
            invoices            | finalize         | POST /v1/invoices/x_1/finalize
            invoices            | finalizeInvoice  | POST /v1/invoices/x_1/finalize
            invoices            | pay              | POST /v1/invoices/x_1/pay
            invoices            | void             | POST /v1/invoices/x_1/void
            invoices            | voidInvoice      | POST /v1/invoices/x_1/void
            invoices            | markUncollectible | POST /v1/invoices/x_1/mark_uncollectible
            invoices            | send             | POST /v1/invoices/x_1/send
            invoices            | sendInvoice      | POST /v1/invoices/x_1/send
            invoices            | listLines        | GET /v1/invoices/x_1/lines
            invoices            | createPreview    | POST /v1/invoices/create_preview
            paymentIntents      | cancel           | POST /v1/payment_intents/x_1/cancel
            paymentIntents      | capture          | POST /v1/payment_intents/x_1/capture
            paymentIntents      | confirm          | POST /v1/payment_intents/x_1/confirm
            paymentMethods      | attach           | POST /v1/payment_methods/x_1/attach
            prices              | update           | POST /v1/prices/x_1
            products            | delete           | DELETE /v1/products/x_1
            refunds             | cancel           | POST /v1/refunds/x_1/cancel
            subscriptions       | cancel           | DELETE /v1/subscriptions/x_1
            webhookEndpoints    | create           | POST /v1/webhook_endpoints
            """)
    void makes_one_request_to_the_path_of_the_resource_and_method(String resource, String method, String expected) {
        call("stripe:" + resource, null, Map.of(METHOD, method, OBJECT_ID, "x_1"));

        var request = stripe.request();
        assertEquals(expected, request.method() + " " + request.path());
    }

    @Test
    void creates_unless_told_otherwise_by_the_option_or_a_header() {
        call("stripe:customers", null, Map.of());
        call("stripe:customers?method=list", null, Map.of());
        call("stripe:customers?method=list", null, Map.of(METHOD, "retrieve", OBJECT_ID, "cus_1"));

        assertEquals(List.of("POST /v1/customers", "GET /v1/customers", "GET /v1/customers/cus_1"),
                stripe.requests().stream().map(request -> request.method() + " " + request.path()).toList());
    }

    @Test
    void takes_the_resource_from_a_header() {
        call("stripe:customers", null, Map.of(OPERATION, "products"));

        assertEquals("/v1/products", stripe.request().path());
    }

    static Stream<Object> bodies() throws Exception {
        var text = "{\"name\": \"Zoë 😀\", \"phone\": null}";
        return Stream.of(new ObjectMapper().readValue(text, Map.class), text, text.getBytes(StandardCharsets.UTF_8), json(text),
                new ByteArrayInputStream(text.getBytes(StandardCharsets.UTF_8)));
    }

    @ParameterizedTest
    @MethodSource("bodies")
    void takes_a_map_json_text_bytes_a_stream_or_a_tree(Object body) {
        call("stripe:customers", body, Map.of());

        assertEquals(List.of("name=Zoë 😀", "phone="), stripe.request().form());
        assertEquals("application/x-www-form-urlencoded", stripe.request().header("Content-Type"));
    }

    static Stream<Object> emptyBodies() {
        return Stream.of("", "  \n", "null", "{}", Map.of(), NullNode.getInstance(), new byte[0]);
    }

    @ParameterizedTest
    @MethodSource("emptyBodies")
    void takes_an_empty_body_for_no_parameters(Object body) {
        call("stripe:customers", body, Map.of());

        assertEquals("", stripe.request().body());
    }

    static Stream<Object> wrongBodies() throws Exception {
        return Stream.of("Ann Secret", "[\"Ann Secret\"]", "{\"name\": \"Ann Secret\"", "{} Secret", "\"Secret\"", json("[\"Secret\"]"),
                List.of("Secret"), 42, new byte[] {'{', (byte) 0xff});
    }

    @ParameterizedTest
    @MethodSource("wrongBodies")
    void refuses_any_other_body_without_quoting_it(Object body) {
        var error = assertThrows(IllegalArgumentException.class, () -> call("stripe:customers", body, Map.of()));

        assertTrue(error.getMessage().startsWith("The body of a message to Stripe"), error.getMessage());
        assertFalse(error.getMessage().contains("Secret"), error.getMessage());
        assertNull(error.getCause());
        assertEquals(List.of(), stripe.requests());
    }

    @Test
    void writes_nested_objects_and_lists_with_brackets() throws Exception {
        call("stripe:invoices", json("""
                {"address": {"city": "Oslo", "line2": null}, "expand": ["customer", "lines.data"], "items": [{"price": "p_1", "quantity": 2}],
                 "metadata": {"hub id": "a&b=c"}, "tags": []}"""), Map.of());

        assertEquals("address[city]=Oslo&address[line2]=&expand[0]=customer&expand[1]=lines.data&items[0][price]=p_1&items[0][quantity]=2"
                + "&metadata[hub+id]=a%26b%3Dc&tags=", stripe.request().body());
    }

    @Test
    void writes_numbers_and_booleans_as_they_are() throws Exception {
        call("stripe:invoices", json("""
                {"amount": 9007199254740993, "auto": true, "decimal": 12.50, "exponent": 1.5e3, "huge": 123456789012345678901234567890, "zero": 0.0}"""),
                Map.of());
        call("stripe:invoices", Map.of("double", 1.0e10), Map.of());
        call("stripe:invoices", Map.of("array", new String[] {"a", "b"}), Map.of());

        assertEquals(List.of("amount=9007199254740993", "auto=true", "decimal=12.5", "exponent=1500", "huge=123456789012345678901234567890", "zero=0"),
                stripe.requests().get(0).form());
        assertEquals(List.of("double=10000000000"), stripe.requests().get(1).form());
        assertEquals(List.of("array[0]=a", "array[1]=b"), stripe.requests().get(2).form());
    }

    @Test
    void unsets_a_field_whose_value_is_null() {
        call("stripe:customers?method=update", Collections.singletonMap("phone", null), Map.of(OBJECT_ID, "cus_1"));

        assertEquals("phone=", stripe.request().body());
    }

    @Test
    void puts_the_parameters_of_a_list_into_the_query() throws Exception {
        stripe.answers(200, "{\"object\": \"list\", \"has_more\": true, \"data\": [{\"id\": \"evt_1\"}]}");

        var list = answer("stripe:events?method=list", json("{\"limit\": 2, \"created\": {\"gt\": 5}, \"types\": [\"a.b\"], \"ending_before\": \"evt_é\"}"));

        assertEquals(List.of("limit=2", "created[gt]=5", "types[0]=a.b", "ending_before=evt_é"), stripe.request().parameters());
        assertEquals("", stripe.request().body());
        assertEquals(Map.of("object", "list", "has_more", true, "data", List.of(Map.of("id", "evt_1"))), list);
    }

    @ParameterizedTest
    @ValueSource(strings = {"retrieve", "delete"})
    void sends_no_parameters_where_stripe_takes_none(String method) {
        call("stripe:customers?method=" + method, Map.of("name", "Ann"), Map.of(OBJECT_ID, "cus_1"));

        assertNull(stripe.request().query());
        assertEquals("", stripe.request().body());
    }

    @ParameterizedTest
    @CsvSource({"cus/1?a=b#c, /v1/customers/cus%2F1%3Fa%3Db%23c", "../charges, /v1/customers/..%2Fcharges", "a b+c%, /v1/customers/a%20b%2Bc%25",
        "é, /v1/customers/%C3%A9"})
    void keeps_an_id_within_its_path_segment(String id, String path) {
        call("stripe:customers?method=retrieve", null, Map.of(OBJECT_ID, id));

        assertEquals(path, stripe.request().path());
        assertNull(stripe.request().query());
    }

    @ParameterizedTest
    @ValueSource(strings = {"", " ", ".", ".."})
    void refuses_to_work_on_no_object(String id) {
        var error = assertThrows(IllegalArgumentException.class, () -> call("stripe:customers?method=delete", null, Map.of(OBJECT_ID, id)));

        assertEquals("The header CamelStripeObjectId of a message to stripe:customers must hold the object's id", error.getMessage());
        assertEquals(List.of(), stripe.requests());
    }

    @Test
    void sends_the_idempotency_key_with_writes_only() {
        Map<String, Object> headers = Map.of(IDEMPOTENCY_KEY, "bactrian:customers:1:1:ab", OBJECT_ID, "cus_1");
        for (var method : List.of("create", "update", "delete", "retrieve", "list")) {
            call("stripe:customers?method=" + method, null, headers);
        }

        assertEquals(Arrays.asList("bactrian:customers:1:1:ab", "bactrian:customers:1:1:ab", "bactrian:customers:1:1:ab", null, null),
                stripe.requests().stream().map(request -> request.header("Idempotency-Key")).toList());
    }

    @Test
    void makes_up_an_idempotency_key_for_a_write_without_one() {
        call("stripe:customers", null, Map.of());
        call("stripe:customers", null, Map.of());

        var keys = stripe.requests().stream().map(request -> request.header("Idempotency-Key")).toList();
        assertNotNull(keys.get(0));
        assertNotEquals(keys.get(0), keys.get(1));
    }

    @ParameterizedTest
    @ValueSource(strings = {"line\nbreak", "é"})
    void refuses_an_idempotency_key_that_no_header_can_hold(String key) {
        assertThrows(IllegalArgumentException.class, () -> call("stripe:customers", null, Map.of(IDEMPOTENCY_KEY, key)));
        assertThrows(IllegalArgumentException.class, () -> call("stripe:customers", null, Map.of(IDEMPOTENCY_KEY, "k".repeat(256))));
    }

    @Test
    void sends_the_key_and_the_pinned_version_and_none_of_the_messages_other_headers() {
        call("stripe:customers", null, Map.of("Authorization", "Bearer other", "Stripe-Account", "acct_other", "X-Private", "1", "CamelHttpPath", "/x",
                "CamelStripeRequestId", "req_old"));

        var request = stripe.request();
        assertEquals("Bearer sk_test_one", request.header("Authorization"));
        assertEquals(Stripe.API_VERSION, request.header("Stripe-Version"));
        assertNull(request.header("Stripe-Account"));
        assertNull(request.header("X-Private"));
        assertEquals("/v1/customers", request.path());
        assertTrue(request.headers().keySet().stream().noneMatch(name -> name.toLowerCase().startsWith("camel")));
    }

    @Test
    void keeps_every_field_of_the_answer_in_its_order_and_every_digit() {
        stripe.answers(200, """
                {"id": "cus_1", "new_field": {"deep": [1, null, {"a": false}]}, "amount": 9007199254740993, "small": 5, "text": "Zoë 😀",
                 "huge": 123456789012345678901234567890, "rate": 0.10000000000000000001, "none": null}""");

        var answer = answer("stripe:customers", null);

        assertEquals(List.of("id", "new_field", "amount", "small", "text", "huge", "rate", "none"), List.copyOf(answer.keySet()));
        assertEquals(Map.of("deep", Arrays.asList(1, null, Map.of("a", false))), answer.get("new_field"));
        assertEquals(9007199254740993L, answer.get("amount"));
        assertEquals(5, answer.get("small"));
        assertEquals("Zoë 😀", answer.get("text"));
        assertEquals(new BigInteger("123456789012345678901234567890"), answer.get("huge"));
        assertEquals(new BigDecimal("0.10000000000000000001"), answer.get("rate"));
        assertTrue(answer.containsKey("none"));
    }

    @Test
    void tells_the_request_id_the_status_and_the_servers_date() throws Exception {
        try (var server = new RawServer("""
                HTTP/1.1 201 Created
                request-id: req_1
                date: Tue, 14 Nov 2023 22:13:20 GMT
                idempotent-replayed: true
                Content-Length: 10

                {"id":"a"}""")) {
            var message = call("stripe:customers?apiBase=" + server.address(), null, Map.of("mine", "kept")).getMessage();

            assertEquals("req_1", message.getHeader(StripeHeaders.REQUEST_ID));
            assertEquals(201, message.getHeader(StripeHeaders.STATUS_CODE));
            assertEquals(1_700_000_000L, message.getHeader(StripeHeaders.DATE));
            assertEquals(true, message.getHeader(StripeHeaders.IDEMPOTENT_REPLAYED));
            assertEquals("kept", message.getHeader("mine"));
            assertNull(message.getHeader(Exchange.HTTP_RESPONSE_CODE));
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "Date: yesterday\n"})
    void leaves_nothing_of_an_earlier_answer_in_the_headers(String date) throws Exception {
        try (var server = new RawServer("HTTP/1.1 200 OK\n" + date + "Content-Length: 10\n\n{\"id\":\"a\"}")) {
            var message = call("stripe:customers?apiBase=" + server.address(), null,
                    Map.of(StripeHeaders.REQUEST_ID, "req_old", StripeHeaders.DATE, 1L, StripeHeaders.IDEMPOTENT_REPLAYED, true)).getMessage();

            assertEquals(Map.of(StripeHeaders.STATUS_CODE, 200, StripeHeaders.IDEMPOTENT_REPLAYED, false), message.getHeaders());
        }
    }

    @Test
    void works_for_two_accounts_at_once() throws Exception {
        try (var other = new RecordingServer()) {
            var second = new StripeComponent();
            second.setApiKey(" sk_test_two\n");
            second.setApiBase(other.address());
            second.setStripeAccount("acct_2");
            second.setApiVersion("2020-08-27");
            context.addComponent("stripe-eu", second);

            call("stripe:customers", null, Map.of());
            call("stripe-eu:customers", null, Map.of());
            call("stripe:customers?apiKey=sk_test_three&apiBase=" + other.address(), null, Map.of());
            call("stripe:customers", null, Map.of());

            assertEquals(List.of("Bearer sk_test_one", "Bearer sk_test_one"),
                    stripe.requests().stream().map(request -> request.header("Authorization")).toList());
            assertEquals(List.of("Bearer sk_test_two", "Bearer sk_test_three"),
                    other.requests().stream().map(request -> request.header("Authorization")).toList());
            assertEquals("acct_2", other.requests().get(0).header("Stripe-Account"));
            assertEquals("2020-08-27", other.requests().get(0).header("Stripe-Version"));
            assertNull(Stripe.apiKey);
        }
    }

    @Test
    void uses_one_connection_for_one_call_after_another() {
        stripe.answers(400, "{\"error\": {}}");
        assertThrows(StripeApiException.class, () -> call("stripe:customers", null, Map.of()));
        stripe.answers(200, "{\"id\": \"obj_1\"}");
        call("stripe:customers", null, Map.of());
        call("stripe:invoices?method=list", null, Map.of());

        assertEquals(1, stripe.requests().stream().map(RecordingServer.Request::clientPort).distinct().count());
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            stripe:customer                           | Unknown Stripe resource 'customer'. Known: account, balanceTransactions, charges, checkoutSessions, coupons, creditNotes, customers, disputes,
            stripe:customers?method=finalize          | Unknown method 'finalize' for stripe:customers. Known: create, delete, list, retrieve, search, update
            stripe:customers?apiKey=                  | stripe.api-key is not set. It is the option apiKey of the stripe component
            stripe:customers?apiKey=sk test           | stripe.api-key (the option apiKey) contains a space or another character that no key has
            stripe:customers?apiBase=api.stripe.com   | stripe.api-base (the option apiBase) is not an address such as https://api.stripe.com
            stripe:customers?apiBase=ftp://stripe.com | stripe.api-base (the option apiBase) is not an address such as https://api.stripe.com
            stripe:customers?apiBase=http://a:b@stripe.com | stripe.api-base (the option apiBase) is not an address such as https://api.stripe.com
            stripe:customers?apiBase=http://127.0.0.1&apiKey=sk%5Flive_1 | which would send the live key stripe.api-key unencrypted: use https:
            stripe:customers?stripeAccount=a%20b      | The option apiVersion or stripeAccount of the stripe component contains a space
            stripe:customers?readTimeout=0            | The option readTimeout must be between 1 ms and 24 days
            stripe:customers?connectTimeout=-1        | The option connectTimeout must be between 1 ms and 24 days
            stripe:customers?colour=red               | Unknown parameters=[{colour=red}]
            """)
    void does_not_start_with_a_setting_that_cannot_work(String uri, String message) {
        Throwable error = assertThrows(Exception.class, () -> context.getEndpoint(uri).createProducer());

        var causes = Stream.iterate(error, cause -> cause != null, Throwable::getCause).map(Throwable::getMessage).toList();
        assertTrue(causes.stream().anyMatch(cause -> String.valueOf(cause).contains(message)), causes::toString);
    }

    @Test
    void names_the_settings_of_a_second_account_by_its_scheme() {
        context.addComponent("stripe-us", new StripeComponent());

        var error = assertThrows(IllegalArgumentException.class, () -> context.getEndpoint("stripe-us:customers").createProducer());

        assertTrue(error.getMessage().startsWith("stripe-us.api-key is not set"), error.getMessage());
    }

    @Test
    void refuses_a_message_that_asks_for_something_unknown() {
        assertThrows(IllegalArgumentException.class, () -> call("stripe:customers", null, Map.of(METHOD, "explode")));
        assertThrows(IllegalArgumentException.class, () -> call("stripe:customers", null, Map.of(OPERATION, "explosives")));
        assertThrows(IllegalArgumentException.class, () -> call("stripe:events", null, Map.of()));
    }

    @Test
    void does_not_show_a_key_in_the_name_of_an_endpoint() {
        assertFalse(context.getEndpoint("stripe:customers?apiKey=sk_test_hidden").toString().contains("hidden"));
    }

    @Test
    void does_not_read_from_stripe() {
        var endpoint = context.getEndpoint("stripe:customers");

        assertThrows(UnsupportedOperationException.class, () -> endpoint.createConsumer(exchange -> { }));
    }
}
