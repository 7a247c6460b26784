package io.bactrian.api;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.bactrian.TestServices;
import io.bactrian.api.HubApi.Answer;
import io.swagger.v3.parser.OpenAPIV3Parser;
import io.swagger.v3.parser.core.models.ParseOptions;
import java.net.Socket;
import java.net.URLEncoder;
import java.net.http.HttpRequest.BodyPublishers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class HubApiTest {

    private static final ObjectMapper MAPPER = new ObjectMapper();
    private static final int MIB = 1024 * 1024;

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
    void empty_the_table() throws SQLException {
        execute("delete from customers");
    }

    @Test
    void creates_a_customer_and_says_where_it_is() throws Exception {
        var before = Instant.now().minus(Duration.ofMinutes(1));

        var created = api.post("""
                {"name": "Ada", "email": "ada@example.com", "phone": "+44 1", "description": null,
                 "address": {"line1": "12 St James's Square", "line2": null, "country": "GB"}}""");

        assertEquals(201, created.status());
        var id = created.json().get("id").longValue();
        assertEquals("/api/customers/" + id, created.header("Location"));
        assertEquals(
                MAPPER.readTree("""
                        {"name": "Ada", "email": "ada@example.com", "phone": "+44 1", "description": null,
                         "address": {"line1": "12 St James's Square", "country": "GB"}}"""),
                fields(created.json()));
        assertTrue(Instant.parse(created.json().get("created_at").textValue()).isAfter(before));
        assertTrue(created.json().get("updated_at").textValue().endsWith("Z"));
        var read = api.get(created.header("Location"));
        assertEquals(200, read.status());
        assertEquals(created.json(), read.json());
        assertEquals("application/json", read.header("Content-Type"));
    }

    @Test
    void two_customers_may_have_one_email() throws Exception {
        var first = create("{\"email\": \"twin@example.com\"}");
        var second = create("{\"email\": \"twin@example.com\"}");

        assertNotEquals(first, second);
        assertEquals(List.of(first, second), ids(api.get("/api/customers?email=twin@example.com")));
    }

    static Stream<String> textsThatAreKeptAsTheyAre() {
        return Stream.of(
                "Robert'); drop table customers; --",
                "' or '1'='1",
                "\"quoted\" \\backslash\\ \t\n",
                ":#id :?name ${body} #{x} {{stripe.api-key}} ?",
                "Zoë 张伟 😀👩‍👩‍👧 \u202e",
                " ",
                "");
    }

    @ParameterizedTest
    @MethodSource("textsThatAreKeptAsTheyAre")
    void keeps_text_as_it_is(String text) throws Exception {
        var body = MAPPER.writeValueAsString(Map.of("name", text, "description", text, "address", Map.of("city", text)));

        var id = create(body);

        for (var json : List.of(api.get("/api/customers/" + id).json(), api.patch(id, body).json())) {
            assertEquals(text, json.get("name").textValue());
            assertEquals(text, json.get("description").textValue());
            assertEquals(text, json.get("address").get("city").textValue());
        }
    }

    @Test
    void keeps_a_description_of_a_mebibyte() throws Exception {
        var description = "x".repeat(MIB);

        var id = create(MAPPER.writeValueAsString(Map.of("description", description)));

        assertEquals(description, api.get("/api/customers/" + id).json().get("description").textValue());
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', value = {
        "{}                                              | {\"name\":\"Ada\",\"email\":\"a@example.com\",\"address\":{\"city\":\"Paris\",\"line1\":\"1 Rue\"}}",
        "{\"name\":\"Eve\"}                              | {\"name\":\"Eve\",\"email\":\"a@example.com\",\"address\":{\"city\":\"Paris\",\"line1\":\"1 Rue\"}}",
        "{\"name\":null,\"phone\":\"1\"}                 | {\"phone\":\"1\",\"email\":\"a@example.com\",\"address\":{\"city\":\"Paris\",\"line1\":\"1 Rue\"}}",
        "{\"address\":null}                              | {\"name\":\"Ada\",\"email\":\"a@example.com\"}",
        "{\"address\":{}}                                | {\"name\":\"Ada\",\"email\":\"a@example.com\",\"address\":{\"city\":\"Paris\",\"line1\":\"1 Rue\"}}",
        "{\"address\":{\"city\":null,\"state\":\"IDF\"}} | {\"name\":\"Ada\",\"email\":\"a@example.com\",\"address\":{\"line1\":\"1 Rue\",\"state\":\"IDF\"}}",
        "{\"address\":{\"city\":null,\"line1\":null}}    | {\"name\":\"Ada\",\"email\":\"a@example.com\",\"address\":{}}",
    })
    void patches_as_a_merge_patch_does(String patch, String expected) throws Exception {
        var id = create("{\"name\":\"Ada\",\"email\":\"a@example.com\",\"address\":{\"city\":\"Paris\",\"line1\":\"1 Rue\"}}");

        var patched = api.patch(id, patch);

        assertEquals(200, patched.status());
        assertEquals(MAPPER.readTree(expected), withoutNulls(fields(patched.json())));
        assertEquals(patched.json(), api.get("/api/customers/" + id).json());
    }

    @Test
    void patches_an_address_where_there_was_none() throws Exception {
        var id = create("{}");

        assertEquals(MAPPER.readTree("{\"city\":\"Rome\"}"), api.patch(id, "{\"address\":{\"city\":\"Rome\",\"state\":null}}").json().get("address"));
    }

    @Test
    void takes_a_patch_as_plain_json_too() throws Exception {
        var id = create("{\"name\":\"Ada\"}");

        var patched = api.send("PATCH", "/api/customers/" + id, "application/json; charset=utf-8", "{\"phone\":\"1\"}");

        assertEquals(200, patched.status());
        assertEquals("Ada", patched.json().get("name").textValue());
    }

    @Test
    void a_patch_that_changes_nothing_leaves_the_time_of_the_last_change() throws Exception {
        var created = api.post("{\"name\":\"Ada\",\"address\":{\"city\":\"Paris\"}}").json();

        var patched = api.patch(created.get("id").longValue(), "{\"name\":\"Ada\",\"phone\":null,\"address\":{\"city\":\"Paris\"}}");

        assertEquals(created, patched.json());
    }

    @Test
    void edits_of_different_fields_at_once_all_survive() throws Exception {
        var id = create("{}");
        var fields = List.of("{'name':'%d'}", "{'phone':'%d'}", "{'description':'%d'}", "{'address':{'city':'%d'}}", "{'address':{'line1':'%d'}}");

        var editors = fields.stream().map(field -> CompletableFuture.runAsync(() -> {
            try {
                for (var i = 1; i <= 30; i++) {
                    assertEquals(200, api.patch(id, field.replace('\'', '"').formatted(i)).status());
                }
            } catch (Exception e) {
                throw new CompletionException(e);
            }
        }, task -> new Thread(task).start())).toArray(CompletableFuture[]::new);
        CompletableFuture.allOf(editors).join();

        assertEquals(
                MAPPER.readTree("{\"name\":\"30\",\"phone\":\"30\",\"description\":\"30\",\"address\":{\"city\":\"30\",\"line1\":\"30\"}}"),
                withoutNulls(fields(api.get("/api/customers/" + id).json())));
    }

    @Test
    void deletes_once() throws Exception {
        var id = create("{}");

        var deleted = api.delete(id);

        assertEquals(204, deleted.status());
        assertEquals("", deleted.http().body());
        assertNull(deleted.header("Content-Type"));
        for (var answer : List.of(api.delete(id), api.get("/api/customers/" + id), api.patch(id, "{}"))) {
            assertProblem(404, "There is no customer " + id + ".", answer);
        }
    }

    @Test
    void pages_through_all_customers_while_others_are_added() throws Exception {
        execute("insert into customers (name) select 'c' || i from generate_series(1, 250) i");
        var present = listIds("select id from customers order by id");
        var seen = new ArrayList<Long>();

        var path = "/api/customers?limit=40";
        for (var pages = 0; path != null; pages++) {
            assertTrue(pages < 10, "paging ends");
            var page = api.get(path);
            assertTrue(page.json().get("data").size() <= 40);
            seen.addAll(ids(page));
            if (pages < 3) {
                execute("insert into customers (id, name) values (-" + pages + 1 + ", 'before'), (default, 'after')");
            }
            var next = page.json().get("next").textValue();
            path = next == null ? null : "/api/customers?limit=40&after=" + next;
            assertEquals(path == null ? null : "<" + path + ">; rel=\"next\"", page.header("Link"));
        }

        assertEquals(present, seen.subList(0, 250));
        assertEquals(253, seen.stream().distinct().count());
    }

    @Test
    void a_page_holds_fifty_unless_told_otherwise() throws Exception {
        execute("insert into customers (name) select 'c' || i from generate_series(1, 51) i");

        assertEquals(50, api.get("/api/customers").json().get("data").size());
    }

    @Test
    void the_last_page_says_so_also_when_it_is_full_or_empty() throws Exception {
        execute("insert into customers (name) select 'c' || i from generate_series(1, 2) i");
        var last = listIds("select max(id) from customers").get(0);

        for (var answer : List.of(api.get("/api/customers?limit=2"), api.get("/api/customers?after=" + last))) {
            assertEquals(200, answer.status());
            assertTrue(answer.json().get("next").isNull());
            assertNull(answer.header("Link"));
        }
    }

    @Test
    void keeps_the_email_filter_on_the_way_to_the_next_page() throws Exception {
        var email = "o'neil+50%&x@example.com";
        execute("insert into customers (email) select '" + email.replace("'", "''") + "' from generate_series(1, 3)");
        create("{\"email\":\"other@example.com\"}");

        var first = api.get("/api/customers?limit=2&email=" + URLEncoder.encode(email, UTF_8));

        var link = first.header("Link");
        var second = api.get(link.substring(1, link.indexOf('>')));
        assertEquals(2, ids(first).size());
        assertEquals(1, ids(second).size());
    }

    @Test
    void finds_an_email_only_as_it_is_spelled() throws Exception {
        create("{\"email\":\"ada@example.com\"}");

        assertEquals(List.of(), ids(api.get("/api/customers?email=Ada@example.com")));
        assertEquals(List.of(), ids(api.get("/api/customers?email=%25")));
        assertEquals(List.of(), ids(api.get("/api/customers?email=")));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', value = {
        "{\"name\": 5}                      | /name            | must be of the type string",
        "{\"name\": [\"x\"]}                | /name            | must be of the type string",
        "{\"address\": \"Paris\"}           | /address         | must be of the type object",
        "{\"address\": {\"city\": 7}}       | /address/city    | must be of the type string",
        "{\"address\": {\"a/b~\": \"x\"}}   | /address/a~1b~0  | is not a field here",
        "{\"nickname\": \"x\"}              | /nickname        | is not a field here",
        "{\"id\": 7}                        | /id              | is not a field here",
        "{\"CamelSqlQuery\": \"select 1\"}  | /CamelSqlQuery   | is not a field here",
        "{\"email\": \"no e-mail\"}         | /email           | is not a valid email",
        "{\"email\": \"\"}                  | /email           | is not a valid email",
        "{\"name\": \"a\\u0000b\"}          | /name            | has a character that cannot be stored: NUL, or half a surrogate pair",
        "{\"address\": {\"city\": \"\\ud83d\"}} | /address/city | has a character that cannot be stored: NUL, or half a surrogate pair",
        "[]                                 | ``               | must be of the type object",
        "null                               | ``               | must be of the type object",
        "\"text\"                           | ``               | must be of the type object",
    })
    void refuses_a_field_that_does_not_fit(String body, String pointer, String message) throws Exception {
        var id = create("{\"name\":\"Ada\"}");

        for (var answer : List.of(api.post(body), api.patch(id, body))) {
            assertProblem(400, "The request does not fit the contract.", answer);
            assertEquals(
                    MAPPER.valueToTree(List.of(Map.of("pointer", pointer, "message", message))),
                    answer.json().get("errors"),
                    answer.http().body());
        }
        assertEquals(List.of(id), listIds("select id from customers where name = 'Ada'"));
    }

    @ParameterizedTest
    @CsvSource({"name, 1000", "email, 512", "phone, 100", "description, 1048576"})
    void refuses_a_text_that_is_too_long(String field, int most) throws Exception {
        var answer = api.post(MAPPER.writeValueAsString(Map.of(field, "x".repeat(most + 1))));

        assertProblem(400, "The request does not fit the contract.", answer);
        assertTrue(answer.http().body().contains("must be at most %,d characters long".formatted(most)), answer.http().body());
    }

    @Test
    void counts_an_emoji_as_one_character() throws Exception {
        assertEquals(201, api.post(MAPPER.writeValueAsString(Map.of("phone", "😀".repeat(100)))).status());
    }

    @Test
    void names_every_field_that_does_not_fit() throws Exception {
        var answer = api.post("{\"name\": 1, \"phone\": 2, \"address\": {\"city\": 3}}");

        assertEquals(List.of("/name", "/phone", "/address/city"), answer.json().get("errors").findValuesAsText("pointer"));
    }

    @ParameterizedTest
    @ValueSource(strings = {"{", "{\"name\": \"Ada\"} {}", "name=Ada", "{'name': 'Ada'}", "{\"name\": \"a\", \"name\": \"b\"}", "{\"name\": NaN}"})
    void refuses_a_body_that_is_not_json(String body) throws Exception {
        var answer = api.post(body);

        assertEquals(400, answer.status());
        assertTrue(answer.json().get("detail").textValue().startsWith("The body is not valid JSON, line 1, column "), answer.http().body());
    }

    @Test
    void refuses_a_body_that_is_empty_nested_without_end_or_not_utf_8() throws Exception {
        var latin1 = api.request("/api/customers").header("Content-Type", HubApi.JSON)
                .POST(BodyPublishers.ofByteArray(new byte[] {'{', '"', 'n', 'a', 'm', 'e', '"', ':', '"', (byte) 0xe9, '"', '}'}));

        assertProblem(400, "The request has no body.", api.post(""));
        assertEquals(400, api.post("[".repeat(100_000)).status());
        assertEquals(400, api.send(latin1).status());
    }

    @ParameterizedTest
    @ValueSource(strings = {"abc", "1.5", "1e2", "9223372036854775808", "-9223372036854775809", "1%2F2", "%00", "null", "' or 1=1 --", "1;select"})
    void refuses_an_id_that_is_no_bigint(String id) throws Exception {
        var path = "/api/customers/" + id.replace(" ", "%20");

        for (var answer : List.of(api.get(path), api.send("PATCH", path, HubApi.MERGE_PATCH, "{}"), api.send(api.request(path).DELETE()))) {
            assertProblem(400, "The request does not fit the contract.", answer);
            assertEquals("id", answer.json().at("/errors/0/parameter").textValue());
            assertNull(answer.header("id"));
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"9223372036854775807", "-9223372036854775808", "0"})
    void answers_404_for_an_id_that_is_not_there(String id) throws Exception {
        assertProblem(404, "There is no customer " + id + ".", api.get("/api/customers/" + id));
    }

    @ParameterizedTest
    @CsvSource({
        "limit=0, limit, must not be less than 1",
        "limit=101, limit, must not be more than 100",
        "limit=ten, limit, must be of the type integer",
        "limit=, limit, must be of the type integer",
        "limit=5&limit=6, limit, is given more than once",
        "after=x, after, must be of the type integer",
        "after=9223372036854775808, after, must not be more than 9223372036854775807",
        "e-mail=x, e-mail, is not a parameter here",
        "CamelSqlQuery=select+1, CamelSqlQuery, is not a parameter here",
        "email=%00, email, 'has a character that cannot be stored: NUL, or half a surrogate pair'",
    })
    void refuses_a_parameter_that_does_not_fit(String query, String parameter, String message) throws Exception {
        var answer = api.get("/api/customers?" + query);

        assertProblem(400, "The request does not fit the contract.", answer);
        assertEquals(MAPPER.valueToTree(List.of(Map.of("parameter", parameter, "message", message))), answer.json().get("errors"));
    }

    @ParameterizedTest
    @ValueSource(strings = {"text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/merge-patch+json", "nonsense"})
    void refuses_a_body_of_another_media_type(String contentType) throws Exception {
        assertEquals(415, api.send("POST", "/api/customers", contentType, "{}").status());
    }

    @ParameterizedTest
    @CsvSource({"utf-8, 201", "utf-16, 201", "iso-8859-1, 201", "nonsense, 415"})
    void reads_json_as_utf_8_whatever_charset_is_named(String charset, int status) throws Exception {
        var answer = api.send("POST", "/api/customers", "application/json; charset=" + charset, "{\"name\":\"Zoë 😀\"}");

        assertEquals(status, answer.status());
        if (status == 201) {
            assertEquals("Zoë 😀", answer.json().get("name").textValue());
        }
    }

    @Test
    void refuses_a_body_without_media_type_whatever_the_query_says() throws Exception {
        var answer = api.send("POST", "/api/customers?Content-Type=application/json&content-type=application/json", null, "{}");

        assertProblem(415, "Send the body as application/json.", answer);
        assertEquals(List.of(), listIds("select id from customers"));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "application/json                   | 200",
        "text/html, application/*;q=0.1     | 200",
        "*/*                                | 200",
        "*; q=.2, */*; q=.2                 | 200",
        "text/html                          | 406",
        "nonsense                           | 406",
    })
    void answers_json_only_to_whom_takes_it(String accept, int status) throws Exception {
        assertEquals(status, api.send(api.request("/api/customers").header("Accept", accept)).status());
    }

    @Test
    void names_the_methods_that_a_path_has() throws Exception {
        var answer = api.send("PUT", "/api/customers", HubApi.JSON, "{\"secret\":\"x\"}");

        assertEquals(405, answer.status());
        assertEquals("GET, POST", answer.header("Allow"));
        assertEquals(MAPPER.readTree("{\"type\":\"about:blank\",\"title\":\"Method Not Allowed\",\"status\":405}"), answer.json());
    }

    @ParameterizedTest
    @ValueSource(strings = {"/api", "/api/", "/api/nothing", "/api/customers/1/invoices", "/apinothing"})
    void answers_404_where_there_is_nothing(String path) throws Exception {
        assertEquals(404, api.get(path).json().get("status").intValue());
    }

    @Test
    void refuses_a_body_over_two_mebibytes() throws Exception {
        assertEquals(413, api.post("{\"description\":\"" + "x".repeat(2 * MIB) + "\"}").json().get("status").intValue());
    }

    @Test
    void refuses_a_query_with_a_broken_escape() throws Exception {
        try (var socket = new Socket("127.0.0.1", api.request("/").build().uri().getPort())) {
            socket.getOutputStream().write("GET /api/customers?email=%zz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".getBytes(UTF_8));
            var answer = new String(socket.getInputStream().readAllBytes(), UTF_8);
            assertTrue(answer.startsWith("HTTP/1.1 400 "), answer);
            assertTrue(answer.contains(Problem.MEDIA_TYPE), answer);
        }
    }

    @Test
    void headers_and_parameters_named_like_camels_own_have_no_effect() throws Exception {
        var id = create("{\"name\":\"Ada\"}");
        var other = create("{\"name\":\"Eve\"}");
        var request = api.request("/api/customers/" + id)
                .header("CamelSqlQuery", "delete from customers")
                .header("camelsqlquery", "delete from customers")
                .header("CamelSqlParameters", "1")
                .header("CamelHttpResponseCode", "500")
                .header("CamelHttpMethod", "DELETE")
                .header("CamelHttpPath", "/api/customers/" + other)
                .header("CamelHttpQuery", "limit=x")
                .header("kafka.KEY", "x")
                .header("kafka.OVERRIDE_TOPIC", "x")
                .header("id", String.valueOf(other))
                .header("Set-Cookie", "a=b")
                .header("X-Anything", "x");

        var answer = api.send(request);

        assertEquals(200, answer.status());
        assertEquals("Ada", answer.json().get("name").textValue());
        assertEquals(List.of("content-length", "content-type"), List.copyOf(answer.http().headers().map().keySet()));
        assertEquals(List.of(id, other), listIds("select id from customers order by id"));
    }

    @Test
    void headers_do_not_stand_in_for_parameters() throws Exception {
        create("{}");
        create("{}");

        var answer = api.send(api.request("/api/customers").header("limit", "1").header("email", "x").header("after", "9"));

        assertEquals(2, answer.json().get("data").size());
    }

    @Test
    void answers_head_like_get_without_the_body() throws Exception {
        var id = create("{\"name\":\"Ada\"}");

        var answer = api.send(api.request("/api/customers/" + id).method("HEAD", BodyPublishers.noBody()));

        assertEquals(200, answer.status());
        assertEquals("", answer.http().body());
        assertEquals(404, api.send(api.request("/api/customers/" + (id + 1)).method("HEAD", BodyPublishers.noBody())).status());
    }

    @Test
    void grants_nothing_to_other_origins() throws Exception {
        var preflight = api.request("/api/customers").method("OPTIONS", BodyPublishers.noBody())
                .header("Access-Control-Request-Method", "POST")
                .header("Access-Control-Request-Headers", "content-type");

        assertNull(api.send(preflight).header("Access-Control-Allow-Origin"));
    }

    @Test
    void serves_its_contract() throws Exception {
        var answer = api.get("/api/openapi.yaml");

        assertEquals(200, answer.status());
        assertEquals(Files.readString(Path.of("routes/hub-api.openapi.yaml")), answer.http().body());
    }

    @Test
    void answers_what_the_contract_promises() throws Exception {
        var options = new ParseOptions();
        options.setResolveFully(true);
        var contract = new OpenAPIV3Parser().readContents(Files.readString(Path.of("routes/hub-api.openapi.yaml")), null, options);
        assertEquals(List.of(), contract.getMessages());
        var schemas = contract.getOpenAPI().getComponents().getSchemas();
        var check = new SchemaCheck();
        var id = create("{\"name\":\"Ada\",\"address\":{\"city\":\"Paris\"}}");

        assertEquals(List.of(), check.faults(api.get("/api/customers/" + id).json(), schemas.get("Customer")));
        assertEquals(List.of(), check.faults(api.get("/api/customers").json(), schemas.get("CustomerPage")));
        assertEquals(List.of(), check.faults(api.post("{\"name\":1}").json(), schemas.get("Problem")));
    }

    @Test
    void tells_when_a_rule_of_the_companys_own_forbids_the_values() throws Exception {
        execute("create unique index one_email on customers (email)");
        try {
            create("{\"email\":\"twin@example.com\"}");

            var answer = api.post("{\"email\":\"twin@example.com\"}");

            assertProblem(409, "A rule of the catalogue's table does not allow these values.", answer);
        } finally {
            execute("drop index one_email");
        }
    }

    @Test
    void tells_nothing_of_a_failure_that_nobody_foresaw() throws Exception {
        execute("alter table customers rename phone to telephone");
        try {
            var answer = api.get("/api/customers/1");

            assertEquals(500, answer.status());
            assertEquals(MAPPER.readTree("{\"type\":\"about:blank\",\"title\":\"Internal Server Error\",\"status\":500}"), answer.json());
        } finally {
            execute("alter table customers rename telephone to phone");
        }
    }

    private static long create(String body) throws Exception {
        var answer = api.post(body);
        assertEquals(201, answer.status(), answer.http().body());
        return answer.json().get("id").longValue();
    }

    private static void assertProblem(int status, String detail, Answer answer) {
        assertEquals(status, answer.status(), answer.http().body());
        assertEquals(Problem.MEDIA_TYPE, answer.header("Content-Type"));
        assertEquals("about:blank", answer.json().get("type").textValue());
        assertFalse(answer.json().get("title").textValue().isEmpty());
        assertEquals(status, answer.json().get("status").intValue());
        assertEquals(detail, answer.json().get("detail").textValue());
    }

    private static JsonNode fields(JsonNode customer) {
        return customer.<ObjectNode>deepCopy().without(List.of("id", "created_at", "updated_at"));
    }

    private static JsonNode withoutNulls(JsonNode json) {
        var copy = json.<ObjectNode>deepCopy();
        copy.properties().removeIf(field -> field.getValue().isNull());
        return copy;
    }

    private static List<Long> ids(Answer page) {
        var data = page.json().get("data");
        return LongStream.range(0, data.size()).mapToObj(i -> data.get((int) i).get("id").longValue()).toList();
    }

    private static void execute(String sql) throws SQLException {
        try (var connection = database.dataSource().getConnection(); var statement = connection.createStatement()) {
            statement.execute(sql);
        }
    }

    private static List<Long> listIds(String sql) throws SQLException {
        var ids = new ArrayList<Long>();
        try (var connection = database.dataSource().getConnection();
                var statement = connection.createStatement();
                var rows = statement.executeQuery(sql)) {
            while (rows.next()) {
                ids.add(rows.getLong(1));
            }
        }
        return ids;
    }
}
