package io.bactrian.stripe;

import com.sun.net.httpserver.Headers;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/** A web server on loopback that keeps each request and gives the answer that the test has set, an object with an id at first. */
final class RecordingServer implements AutoCloseable {

    /** A request as it arrived. */
    record Request(String method, String path, String query, Headers headers, String body, int clientPort) {

        String header(String name) {
            return headers.getFirst(name);
        }

        /** The form parameters in the body, decoded, in their order: {@code "name=Ann"}. */
        List<String> form() {
            return decoded(body);
        }

        /** The parameters in the query, decoded, in their order. */
        List<String> parameters() {
            return query == null ? List.of() : decoded(query);
        }

        private static List<String> decoded(String form) {
            return form.isEmpty() ? List.of() : List.of(form.split("&")).stream().map(pair -> URLDecoder.decode(pair, StandardCharsets.UTF_8)).toList();
        }
    }

    /** What to do with a request once it is recorded. */
    interface Answer {
        void to(HttpExchange exchange) throws IOException;
    }

    static {
        // Or a small answer waits 40 ms for the client's acknowledgement of its headers.
        System.setProperty("sun.net.httpserver.nodelay", "true");
    }

    private final HttpServer server;
    private final ExecutorService threads = Executors.newCachedThreadPool();
    private final List<Request> requests = Collections.synchronizedList(new ArrayList<>());
    private static final String OBJECT = "{\"id\": \"obj_1\"}";

    private volatile Answer answer = answer(200, OBJECT);

    RecordingServer() throws IOException {
        server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.setExecutor(threads);
        server.createContext("/", exchange -> {
            var uri = exchange.getRequestURI();
            var body = new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8);
            requests.add(new Request(exchange.getRequestMethod(), uri.getRawPath(), uri.getRawQuery(), exchange.getRequestHeaders(), body,
                    exchange.getRemoteAddress().getPort()));
            answer.to(exchange);
        });
        server.start();
    }

    /** An answer with a status, a body and headers as name, value, name, value, …. */
    static Answer answer(int status, String body, String... headers) {
        return exchange -> {
            for (var i = 0; i < headers.length; i += 2) {
                exchange.getResponseHeaders().set(headers[i], headers[i + 1]);
            }
            var bytes = body.getBytes(StandardCharsets.UTF_8);
            exchange.sendResponseHeaders(status, bytes.length == 0 ? -1 : bytes.length);
            exchange.getResponseBody().write(bytes);
            exchange.close();
        };
    }

    /** Forgets the requests so far, and answers with that object again. */
    void reset() {
        requests.clear();
        answers(200, OBJECT);
    }

    void answers(Answer answer) {
        this.answer = answer;
    }

    void answers(int status, String body, String... headers) {
        answers(answer(status, body, headers));
    }

    String address() {
        return "http://127.0.0.1:" + server.getAddress().getPort();
    }

    List<Request> requests() {
        return List.copyOf(requests);
    }

    /** The one request since the start. */
    Request request() {
        if (requests.size() != 1) {
            throw new AssertionError("expected one request, got " + requests);
        }
        return requests.get(0);
    }

    @Override
    public void close() {
        server.stop(0);
        threads.shutdownNow();
    }
}
