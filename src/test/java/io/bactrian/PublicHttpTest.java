package io.bactrian;

import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.bactrian.sync.Sql;
import java.io.IOException;
import java.net.Socket;
import java.net.SocketException;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The public server before any route sees a request: slow clients, large heads, and protocols. */
class PublicHttpTest {

    /** It offers HTTP/2, as Java's client does unless told otherwise. */
    private static final HttpClient CLIENT = HttpClient.newHttpClient();

    private static TestServices.Database database;
    private static TestApplication application;

    @BeforeAll
    static void start() throws Exception {
        database = TestServices.database();
        application = TestApplication.builder().postgres(database.jdbcUrl()).kafka(TestServices.kafka()).routes("hub-api", "templates/hub-api-*", "stripe", "stripe-webhook", "templates/system")
                .with("http.patience", "1").start();
    }

    @AfterAll
    static void stop() {
        application.close();
    }

    @ParameterizedTest
    @ValueSource(strings = {
        "",
        "GET /api/customers HTTP/1.1\r\nHost: a\r\nX-Slow: ",
        "POST /webhooks/stripe HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n",
        "POST /api/customers HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"})
    void a_client_that_does_not_end_its_request_is_cut_off_though_it_sends_now_and_then(String start) throws Exception {
        try (var socket = connect()) {
            socket.getOutputStream().write(start.getBytes(StandardCharsets.US_ASCII));
            await().atMost(Duration.ofSeconds(30)).pollInterval(Duration.ofMillis(200)).until(() -> isClosed(socket, start));
        }
    }

    @Test
    void a_client_is_not_cut_off_while_it_waits_for_its_answer() throws Exception {
        try (var sql = Sql.open(database.dataSource())) {
            sql.connection().setAutoCommit(false);
            sql.run("lock table customers");
            var answer = CompletableFuture.supplyAsync(() -> send(HttpRequest.newBuilder(application.url("/api/customers"))));
            var waiting = "select extract(epoch from clock_timestamp() - query_start) > 3 from pg_stat_activity where wait_event_type = 'Lock'";
            try (var other = Sql.open(database.dataSource())) {
                await().atMost(Duration.ofSeconds(30)).until(() -> other.texts(waiting).contains("true"));
            }
            sql.connection().rollback();
            assertEquals(200, answer.get().statusCode());
        }
    }

    @Test
    void a_client_may_keep_its_connection_for_the_next_request() throws Exception {
        try (var socket = connect()) {
            for (int i = 0; i < 3; i++) {
                socket.getOutputStream().write("HEAD /nothing HTTP/1.1\r\nHost: a\r\n\r\n".getBytes(StandardCharsets.US_ASCII));
                assertTrue(read(socket).startsWith("HTTP/1.1 404 "));
            }
        }
    }

    @Test
    void a_large_answer_reaches_a_client_that_offers_http_2() throws Exception {
        try (var sql = Sql.open(database.dataSource())) {
            sql.run("insert into customers (description) values (repeat('x', 200000))");
            var answer = send(HttpRequest.newBuilder(application.url("/api/customers")));
            assertTrue(answer.body().length() > 200_000);
            assertEquals(HttpClient.Version.HTTP_1_1, answer.version());
            sql.run("delete from customers");
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"GET /api/customers HTTP/1.1\r\nHost: a\r\nX-Long: %s\r\n\r\n", "GET /api/customers?email=%s HTTP/1.1\r\nHost: a\r\n\r\n"})
    void a_head_without_end_is_refused(String request) throws Exception {
        try (var socket = connect()) {
            socket.getOutputStream().write(request.formatted("x".repeat(20_000)).getBytes(StandardCharsets.US_ASCII));
            var answer = read(socket);
            assertTrue(answer.matches("(?s)HTTP/1.[01] 4(14|31) .*"), answer);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {
        "GET /api/customers HTTP/1.1\r\nHost: a\r\nX-Bad : 1\r\n\r\n",
        "GET /api/customers HTTP/1.1\r\nHost: a\r\nX-Bad: a\u0000b\r\n\r\n",
        "POST /api/customers HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n{}   ",
        "POST /api/customers HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        "nonsense\r\n\r\n"})
    void a_malformed_request_is_refused_or_cut_off(String request) throws Exception {
        try (var socket = connect()) {
            socket.getOutputStream().write(request.getBytes(StandardCharsets.US_ASCII));
            var answer = read(socket);
            assertTrue(answer.isEmpty() || answer.startsWith("HTTP/1.1 4") || answer.startsWith("HTTP/1.0 4"), answer);
        }
        assertEquals(200, send(HttpRequest.newBuilder(application.url("/api/customers"))).statusCode());
    }

    @ParameterizedTest
    @ValueSource(strings = {"/observe/health", "/observe/metrics", "/observe/info", "/q/dev", "/routes", "/application.properties", "/..%2fapplication.properties"})
    void nothing_of_the_inside_is_public(String path) throws Exception {
        assertEquals(404, send(HttpRequest.newBuilder(application.url(path))).statusCode());
    }

    /** Whether the server hung up; if not, sends it one byte more. */
    private static boolean isClosed(Socket socket, String start) throws IOException {
        try {
            socket.setSoTimeout(1);
            if (socket.getInputStream().read() < 0) {
                return true;
            }
        } catch (java.net.SocketTimeoutException e) {
            // Still open.
        } catch (SocketException e) {
            return true;
        }
        try {
            if (!start.isEmpty()) {
                socket.getOutputStream().write('1');
            }
            return false;
        } catch (SocketException e) {
            return true;
        }
    }

    private static Socket connect() throws IOException {
        var socket = new Socket("127.0.0.1", application.url("/").getPort());
        socket.setSoTimeout(20_000);
        return socket;
    }

    private static String read(Socket socket) throws IOException {
        var some = new byte[1000];
        int count = socket.getInputStream().read(some);
        return count < 0 ? "" : new String(some, 0, count, StandardCharsets.US_ASCII);
    }

    private static HttpResponse<String> send(HttpRequest.Builder request) {
        try {
            return CLIENT.send(request.timeout(Duration.ofSeconds(20)).build(), BodyHandlers.ofString());
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }
}
