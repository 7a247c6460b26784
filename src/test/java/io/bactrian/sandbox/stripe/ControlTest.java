package io.bactrian.sandbox.stripe;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.net.http.HttpClient;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.util.List;
import java.util.regex.Pattern;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** The control API and the page. */
class ControlTest {

    private StripeSimulator simulator;
    private Http http;

    @BeforeEach
    void start() throws Exception {
        simulator = StripeSimulator.start(StripeSimulator.Options.inMemory());
        http = new Http(simulator.baseUrl(), null);
    }

    @AfterEach
    void stop() {
        simulator.close();
    }

    @Test
    void changes_and_clears_faults() throws Exception {
        var changed = http.json("/simulator/faults", json("{'server_error':{'next':2},'webhook_lost':{'probability':0.25},'latency_ms':5,'method':'post','path':'/v1/customers'}"));
        assertEquals(200, changed.status());
        assertEquals(changed.json(), http.get("/simulator/faults").json());
        assertEquals("{\"probability\":0.0,\"next\":2}", changed.json().get("server_error").toString());
        assertEquals("POST", changed.json().get("method").asText());
        assertEquals(500, Http.to(simulator).post("/v1/customers", "").status());
        assertEquals(1, http.get("/simulator/faults").json().at("/server_error/next").asInt());
        http.delete("/simulator/faults");
        assertEquals(200, Http.to(simulator).post("/v1/customers", "").status());
    }

    @Test
    void refuses_faults_that_make_no_sense_and_changes_none() throws Exception {
        var before = http.get("/simulator/faults").json();
        for (var wrong : List.of("{'latency_ms':5,'server_errors':{'next':1}}", "{'latency_ms':5,'server_error':{'probability':2}}", "{'latency_ms':-1}", "{'latency_ms':'x'}")) {
            var reply = http.json("/simulator/faults", json(wrong));
            assertEquals(400, reply.status(), wrong);
            assertFalse(reply.json().get("error").asText().isEmpty());
        }
        assertEquals(before, http.get("/simulator/faults").json());
    }

    @Test
    void lists_and_forgets_the_calls() throws Exception {
        Http.to(simulator).post("/v1/customers", "name=Ada&address[city]=Oslo", "Idempotency-Key", "k");
        Http.to(simulator).post("/v1/customers", "name=Ada&address[city]=Oslo", "Idempotency-Key", "k");
        var calls = http.get("/simulator/calls").json();
        assertEquals(2, calls.size());
        assertTrue(calls.get(0).get("replayed").asBoolean());
        assertEquals("k", calls.get(1).get("idempotency_key").asText());
        assertEquals("Oslo", calls.get(1).at("/params/address/city").asText());
        assertEquals("Ada", simulator.apiCalls().get(0).params().get("name"));
        http.delete("/simulator/calls");
        assertEquals(List.of(), simulator.apiCalls());
    }

    @Test
    void edits_customers_as_a_person_does() throws Exception {
        var created = http.json("/simulator/dashboard/customers", json("{'name':'Ada','email':'','metadata':{'hub_id':'7'}}")).json();
        assertEquals("Ada", created.get("name").asText());
        var path = "/simulator/dashboard/customers/" + created.get("id").asText();
        assertEquals("Oslo", http.json(path, json("{'address':{'city':'Oslo'},'name':null}")).json().at("/address/city").asText());
        assertEquals("7", http.get(path).json().at("/metadata/hub_id").asText());
        var refused = http.json(path, json("{'email':'broken'}"));
        assertEquals(400, refused.status());
        assertEquals("email", refused.json().get("param").asText());
        assertTrue(http.delete(path).json().get("deleted").asBoolean());
        assertEquals(404, http.delete(path).status());
        assertEquals(List.of(), simulator.apiCalls());
        assertEquals(3, http.get("/simulator/state").json().get("events").size());
    }

    @Test
    void searches_customers() throws Exception {
        for (var name : List.of("Ada", "Grace", "Adele \\\"X\\\"")) {
            http.json("/simulator/dashboard/customers", json("{'name':'" + name + "','email':'mail@" + (name.startsWith("Ad") ? "a" : "g") + ".example.com'}"));
        }
        assertEquals(List.of("Adele \"X\"", "Ada"), search("q=AD"));
        assertEquals(List.of("Adele \"X\""), search("q=%22x"));
        assertEquals(List.of("Grace"), search("q=g.example"));
        assertEquals(List.of(), search("q=metadata"));
        assertEquals(List.of("Grace"), search("limit=1&offset=1"));
        assertEquals(400, http.get("/simulator/dashboard/customers?limit=many").status());
    }

    @Test
    void edits_invoices_as_a_person_does() throws Exception {
        var customer = http.json("/simulator/dashboard/customers", json("{'name':'Ada'}")).id();
        var created = http.json("/simulator/dashboard/invoices", json("{'customer':'" + customer + "','currency':'kwd','due_date':'2030-12-31',"
                + "'lines':[{'description':'Tea','quantity':2,'unit_amount':1500}]}"));
        assertEquals(3000, created.json().get("total").asInt());
        var path = "/simulator/dashboard/invoices/" + created.id();
        var line = http.json(path + "/lines", json("{'description':'Milk','unit_amount':250}")).id();
        assertEquals(200, http.json(path + "/lines/" + line, json("{'quantity':4}")).status());
        assertEquals(4000, http.get(path).json().get("total").asInt());
        assertEquals(3000, http.delete(path + "/lines/" + line).json().get("total").asInt());
        assertEquals("open", http.json(path + "/finalize", json("{}")).json().get("status").asText());
        assertEquals("uncollectible", http.json(path + "/mark_uncollectible", json("{}")).json().get("status").asText());
        assertEquals("paid", http.json(path + "/pay", json("{}")).json().get("status").asText());
        assertEquals(400, http.json(path + "/void", json("{}")).status());
        assertEquals(400, http.delete(path).status());
        assertEquals(404, http.json(path + "/frobnicate", json("{}")).status());
        assertEquals(404, http.get("/simulator/dashboard/invoices/in_no").status());
        assertEquals(1, http.get("/simulator/dashboard/invoices?q=ada").json().at("/data/0/lines/data").size());
        assertEquals(0, http.get("/simulator/dashboard/invoices?q=grace").json().get("data").size());
        assertEquals(400, http.json("/simulator/dashboard/invoices", json("{'customer':'" + customer + "','due_date':'2030-13-31'}")).status());
        assertEquals(400, http.json("/simulator/dashboard/invoices", json("{'customer':'" + customer + "','lines':['x']}")).status());
        assertEquals(List.of(), simulator.apiCalls());
    }

    @Test
    void edits_products_as_a_person_does() throws Exception {
        var created = http.json("/simulator/dashboard/products", json("{'name':'Tea','unit_amount':4900,'currency':'nok'}"));
        var path = "/simulator/dashboard/products/" + created.id();
        assertEquals(4900, created.json().at("/default_price/unit_amount").asInt());
        assertEquals(5900, http.json(path, json("{'unit_amount':5900}")).json().at("/default_price/unit_amount").asInt());
        assertEquals(5900, http.get("/simulator/dashboard/products").json().at("/data/0/default_price/unit_amount").asInt());
        assertFalse(http.json(path, json("{'active':false,'unit_amount':null}")).json().get("default_price").isObject());
        assertTrue(http.get("/simulator/dashboard/products?q=tea").json().at("/data/0/default_price").isNull());
        assertEquals(400, http.delete(path).status());
        assertEquals(404, http.get("/simulator/dashboard/plans").status());
        assertEquals(404, http.get("/simulator/dashboard").status());
    }

    @Test
    void does_not_take_what_another_sites_page_could_send() throws Exception {
        var reply = http.send(http.request("/simulator/dashboard/customers").header("Content-Type", "text/plain").POST(BodyPublishers.ofString("{\"name\":\"x\"}")));
        assertEquals(415, reply.status());
        assertEquals(404, http.get("/simulator/nonsense").status());
        assertEquals(400, http.json("/simulator/faults/", json("{'x':1}")).status());
    }

    @Test
    void serves_a_page_that_loads_nothing_from_elsewhere() throws Exception {
        var page = text("/");
        assertTrue(page.contains("<title>Stripe simulator</title>"));
        for (var asset : List.of("/page.css", "/billing.js", "/page.js", "/icon.svg")) {
            assertTrue(page.contains("\"" + asset + "\""));
            assertFalse(Pattern.compile("(src|href|url)\\W{1,3}https?:").matcher(page + text(asset)).find(), asset);
        }
        assertFalse(text("/page.js").contains("innerHTML"));
    }

    private List<String> search(String query) throws Exception {
        return http.get("/simulator/dashboard/customers?" + query).json().get("data").findValuesAsText("name");
    }

    private String text(String path) throws IOException, InterruptedException {
        var response = HttpClient.newHttpClient().send(http.request(path).build(), BodyHandlers.ofString());
        assertEquals(200, response.statusCode());
        assertTrue(response.headers().firstValue("Content-Security-Policy").orElseThrow().startsWith("default-src 'none'"));
        return response.body();
    }

    private static ObjectNode json(String text) {
        return Json.object(text.replace('\'', '"').getBytes(java.nio.charset.StandardCharsets.UTF_8));
    }
}
