package io.bactrian;

import io.vertx.core.Vertx;
import io.vertx.core.http.HttpConnection;
import io.vertx.core.http.HttpServer;
import io.vertx.core.http.HttpServerOptions;
import io.vertx.core.impl.VertxInternal;
import io.vertx.ext.web.RoutingContext;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Hangs up on HTTP clients that take too long: to begin a request, to send all of it, or to send another one. Vert.x itself only notices a
 * connection without a single byte, and Camel has no setting even for that. How long an answer takes does not matter.
 */
final class SlowClients {

    private final Map<HttpConnection, Client> clients = new ConcurrentHashMap<>();
    private final long patienceMillis;

    /** @param patienceMillis a client that sent no whole request for so long, and waits for no answer, is cut off within twice that time */
    SlowClients(long patienceMillis) {
        this.patienceMillis = patienceMillis;
    }

    /**
     * What is known of a connection. Its event loop tells of what comes, and any thread of what is answered; without a lock, because whoever
     * answers holds Vert.x's own for the connection.
     */
    private static final class Client {

        private final Set<RoutingContext> awaitingAnswers = ConcurrentHashMap.newKeySet();
        private volatile boolean idle = true;

        private void received(RoutingContext request) {
            awaitingAnswers.add(request);
            // One that is refused may be answered before it is whole.
            if (request.response().ended()) {
                answered(request);
            }
        }

        private void answered(RoutingContext request) {
            awaitingAnswers.remove(request);
            idle = false;
        }

        private boolean isSlow() {
            var slow = idle && awaitingAnswers.isEmpty();
            idle = true;
            return slow;
        }
    }

    /**
     * Vert.x as Camel is to use it: each HTTP server that it makes watches its clients. HTTP/2 without TLS is left out: no sender of webhooks
     * asks for it, and its streams would need a watch of their own.
     */
    Vertx vertx() {
        var vertx = Vertx.vertx();
        return (Vertx) Proxy.newProxyInstance(SlowClients.class.getClassLoader(), new Class<?>[] {VertxInternal.class}, (proxy, method, arguments) -> {
            try {
                if (method.getName().equals("createHttpServer") && arguments != null) {
                    return watched(vertx, vertx.createHttpServer(((HttpServerOptions) arguments[0]).setHttp2ClearTextEnabled(false)));
                }
                return method.invoke(vertx, arguments);
            } catch (InvocationTargetException e) {
                throw e.getCause();
            }
        });
    }

    private HttpServer watched(Vertx vertx, HttpServer server) {
        return server.connectionHandler(connection -> {
            var client = new Client();
            clients.put(connection, client);
            long timer = vertx.setPeriodic(patienceMillis, tick -> {
                if (client.isSlow()) {
                    connection.close();
                }
            });
            connection.closeHandler(closed -> {
                vertx.cancelTimer(timer);
                clients.remove(connection);
            });
        });
    }

    /** Takes note of a request: the first handler of each router. */
    void note(RoutingContext request) {
        var client = clients.get(request.request().connection());
        if (client != null) {
            request.addEndHandler(answer -> client.answered(request));
            request.request().end().onSuccess(whole -> client.received(request));
        }
        request.next();
    }
}
