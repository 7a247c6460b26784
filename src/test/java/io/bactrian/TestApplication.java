package io.bactrian;

import com.zaxxer.hikari.HikariDataSource;
import io.bactrian.sandbox.Ports;
import io.bactrian.sandbox.SandboxKafka;
import io.bactrian.sandbox.SandboxPostgres;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.logging.LogManager;
import org.apache.camel.CamelContext;
import org.apache.camel.main.Main;

/** Bactrian inside this JVM, started the way {@link io.bactrian.Main} does, so that a test reaches its routes. */
public final class TestApplication implements AutoCloseable {

    private static final Duration PATIENCE = Duration.ofSeconds(30);

    private final Main main = new Main();
    private final HttpClient client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
    private final int port = Ports.free();
    private final int managementPort = Ports.free();

    /** How to start one. */
    public static final class Builder {

        private final List<String> settings = new ArrayList<>();

        /** The address of a database that belongs to the user {@code bactrian}. */
        public Builder postgres(String jdbcUrl) {
            return with("postgres.url", jdbcUrl)
                    .with("postgres.username", SandboxPostgres.NAME)
                    .with("postgres.password", SandboxPostgres.NAME);
        }

        public Builder kafka(SandboxKafka kafka) {
            return with("kafka.brokers", kafka.bootstrap());
        }

        /** The files to read, below {@code routes/} and without {@code .camel.yaml}; all when it is not called. The error handler is always read. */
        public Builder routes(String... stems) {
            var files = new ArrayList<>(List.of("file:routes/errors.camel.yaml"));
            for (var stem : stems) {
                files.add("file:routes/" + stem + ".camel.yaml");
            }
            return with("camel.main.routes-include-pattern", String.join(",", files));
        }

        /** A setting, over that of application.properties. */
        public Builder with(String name, String value) {
            settings.add(name);
            settings.add(value);
            return this;
        }

        /** Starts it, and returns when it is ready. */
        public TestApplication start() throws Exception {
            return new TestApplication(settings);
        }
    }

    private TestApplication(List<String> settings) throws Exception {
        LogManager.getLogManager().reset();
        main.setPropertyPlaceholderLocations("file:application.properties");
        main.addOverrideProperty("http.port", Integer.toString(port));
        main.addOverrideProperty("management.port", Integer.toString(managementPort));
        main.addOverrideProperty("stripe.api-key", "sk_test_sandbox");
        main.addOverrideProperty("stripe.api-base", "http://127.0.0.1:" + Ports.free());
        main.addOverrideProperty("stripe.webhook-secret", "whsec_sandbox");
        main.addOverrideProperty("stripe.rate-limit", "1000");
        main.addOverrideProperty("kafka.consumers", "2");
        main.addOverrideProperty("stripe.inbound", "webhook");
        main.addOverrideProperty("sync.max-deletes", "100000"); // tests delete a lot; those of the brake set it
        main.addOverrideProperty("reconcile.first-contact", "off");
        for (int i = 0; i < settings.size(); i += 2) {
            main.addOverrideProperty(settings.get(i), settings.get(i + 1));
        }
        main.addMainListener(new StartUp(() -> false, () -> { }));
        try {
            main.start();
        } catch (Exception e) {
            main.stop();
            throw e;
        }
    }

    public static Builder builder() {
        return new Builder();
    }

    public CamelContext camel() {
        return main.getCamelContext();
    }

    /** Where the public HTTP server is, with a path. */
    public URI url(String path) {
        return URI.create("http://127.0.0.1:" + port + path);
    }

    public HttpResponse<String> send(HttpRequest.Builder request) throws IOException, InterruptedException {
        return client.send(request.timeout(PATIENCE).build(), BodyHandlers.ofString());
    }

    /** What the management server answers to a GET of a path. */
    public String manage(String path) throws IOException, InterruptedException {
        return send(HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + managementPort + path))).body();
    }

    public void startRoute(String id) throws Exception {
        camel().getRouteController().startRoute(id);
    }

    public void stopRoute(String id) throws Exception {
        camel().getRouteController().stopRoute(id);
    }

    @Override
    public void close() {
        var pools = camel().getRegistry().findByType(HikariDataSource.class);
        main.stop();
        pools.forEach(HikariDataSource::close);
    }
}
