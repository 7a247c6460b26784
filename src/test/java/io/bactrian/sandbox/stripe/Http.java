package io.bactrian.sandbox.stripe;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.time.Duration;

/** Calls the simulator as curl would. */
record Http(URI base, String key) {

    private static final HttpClient CLIENT = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();

    record Reply(int status, JsonNode json, HttpResponse<byte[]> response) {
        String header(String name) {
            return response.headers().firstValue(name).orElse(null);
        }

        JsonNode error() {
            return json.path("error");
        }

        String id() {
            return json.path("id").asText();
        }
    }

    static Http to(StripeSimulator simulator) {
        return new Http(simulator.baseUrl(), "sk_test_sandbox");
    }

    Reply get(String path) throws Exception {
        return send(request(path).GET());
    }

    Reply delete(String path) throws Exception {
        return send(request(path).DELETE());
    }

    /** Posts a form; {@code headers} are names and values in turn. */
    Reply post(String path, String form, String... headers) throws Exception {
        return send(post(request(path), form, headers));
    }

    /** Posts a form and gives up after a time. */
    Reply postWithin(Duration timeout, String path, String form, String... headers) throws Exception {
        return send(post(request(path).timeout(timeout), form, headers));
    }

    /** Posts JSON, for the control API. */
    Reply json(String path, ObjectNode body) throws Exception {
        return send(request(path).header("Content-Type", "application/json").POST(BodyPublishers.ofByteArray(Json.bytes(body))));
    }

    HttpRequest.Builder request(String path) {
        var request = HttpRequest.newBuilder(base.resolve(path));
        return key == null ? request : request.header("Authorization", "Bearer " + key);
    }

    Reply send(HttpRequest.Builder request) throws IOException, InterruptedException {
        var response = CLIENT.send(request.build(), BodyHandlers.ofByteArray());
        return new Reply(response.statusCode(), Json.MAPPER.readTree(response.body()), response);
    }

    private static HttpRequest.Builder post(HttpRequest.Builder request, String form, String... headers) {
        request.header("Content-Type", "application/x-www-form-urlencoded").POST(BodyPublishers.ofString(form));
        return headers.length == 0 ? request : request.headers(headers);
    }
}
