package io.bactrian.api;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.bactrian.TestServices;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import org.apache.camel.component.platform.http.vertx.VertxPlatformHttpServer;
import org.apache.camel.main.Main;

/** The API's routes with the settings of {@code application.properties}, on a free port, over a given database. */
final class HubApi implements AutoCloseable {

    static final String JSON = "application/json";
    static final String MERGE_PATCH = "application/merge-patch+json";

    private static final ObjectMapper MAPPER = new ObjectMapper();

    private final HttpClient client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
    private final Main main = new Main();
    private final String base;

    /** An answer: its body is read as JSON; {@code json} is missing when there is none. */
    record Answer(HttpResponse<String> http, JsonNode json) {

        int status() {
            return http.statusCode();
        }

        String header(String name) {
            return http.headers().firstValue(name).orElse(null);
        }
    }

    HubApi(TestServices.Database database) throws Exception {
        main.setPropertyPlaceholderLocations("file:application.properties");
        override("camel.main.routes-include-pattern", "file:routes/hub-api.camel.yaml,file:routes/templates/hub-api-*.camel.yaml,file:routes/errors.camel.yaml");
        override("camel.management.enabled", "false");
        override("http.port", "0");
        override("postgres.url", database.jdbcUrl());
        override("postgres.username", database.username());
        override("postgres.password", database.password());
        override("camel.beans.dataSource.connection-timeout", "2000");
        main.start();
        base = "http://127.0.0.1:" + main.getCamelContext().hasService(VertxPlatformHttpServer.class).getPort();
    }

    private void override(String key, String value) {
        main.addOverrideProperty(key, value);
    }

    Answer get(String path) throws Exception {
        return send(request(path));
    }

    Answer post(String body) throws Exception {
        return send("POST", "/api/customers", JSON, body);
    }

    Answer patch(long id, String body) throws Exception {
        return send("PATCH", "/api/customers/" + id, MERGE_PATCH, body);
    }

    Answer delete(long id) throws Exception {
        return send(request("/api/customers/" + id).DELETE());
    }

    /** Sends a request with a body; a null content type sends none. */
    Answer send(String method, String path, String contentType, String body) throws Exception {
        var request = request(path).method(method, BodyPublishers.ofString(body));
        if (contentType != null) {
            request.header("Content-Type", contentType);
        }
        return send(request);
    }

    /** A GET of a path with its query, to be changed and sent. */
    HttpRequest.Builder request(String path) {
        return HttpRequest.newBuilder(URI.create(base + path));
    }

    Answer send(HttpRequest.Builder request) throws Exception {
        var http = client.send(request.build(), BodyHandlers.ofString());
        var isJson = http.headers().firstValue("Content-Type").orElse("").contains("json");
        return new Answer(http, isJson ? MAPPER.readTree(http.body()) : MAPPER.missingNode());
    }

    @Override
    public void close() {
        main.stop();
    }
}
