package io.bactrian.sandbox.stripe;

import com.fasterxml.jackson.databind.JsonNode;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.function.ToIntFunction;

/** A webhook endpoint for tests: keeps what it gets and answers as it is told, 200 at first. */
final class Receiver implements AutoCloseable {

    record Received(String body, String signature) {
        JsonNode json() {
            return Json.object(body.getBytes(StandardCharsets.UTF_8));
        }
    }

    final List<Received> received = new CopyOnWriteArrayList<>();
    volatile ToIntFunction<Received> status = webhook -> 200;
    private final HttpServer server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    private final ExecutorService threads = Executors.newFixedThreadPool(16);

    Receiver() throws IOException {
        server.createContext("/", exchange -> {
            var body = new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8);
            var webhook = new Received(body, exchange.getRequestHeaders().getFirst("Stripe-Signature"));
            received.add(webhook);
            exchange.sendResponseHeaders(status.applyAsInt(webhook), -1);
            exchange.close();
        });
        server.setExecutor(threads);
        server.start();
    }

    String url() {
        return "http://127.0.0.1:" + server.getAddress().getPort() + "/webhooks/stripe";
    }

    @Override
    public void close() {
        server.stop(0);
        threads.shutdownNow();
    }
}
