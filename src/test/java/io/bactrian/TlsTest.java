package io.bactrian;

import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.bactrian.sandbox.SandboxKafka;
import io.bactrian.sandbox.SandboxPostgres;
import io.bactrian.sandbox.stripe.StripeSimulator;
import io.bactrian.sync.Sql;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.KeyStore;
import java.time.Duration;
import java.util.Base64;
import java.util.List;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The settings of docs/operations.md that encrypt what goes to Postgres and Kafka, and what comes by HTTP, with a certificate made for the occasion. */
class TlsTest {

    private static final String PASSWORD = "only-here";

    @TempDir
    Path directory;

    @Test
    void the_pool_the_listener_and_public_http_are_encrypted() throws Exception {
        var keys = selfSigned("127.0.0.1");
        try (var postgres = SandboxPostgres.startTemporary()) {
            encrypt(postgres, keys);
            var url = postgres.jdbcUrl() + "?sslmode=verify-full&sslrootcert=" + directory.resolve("cert.pem");
            try (var application = TestApplication.builder().postgres(url).kafka(TestServices.kafka()).routes("capture", "hub-api", "templates/hub-api-*", "watch")
                    .with("camel.ssl.enabled", "true")
                    .with("camel.ssl.key-store", "file:" + directory.resolve("keys.p12"))
                    .with("camel.ssl.keystore-password", PASSWORD)
                    .with("camel.server.use-global-ssl-context-parameters", "true")
                    .start()) {
                try (var sql = Sql.open(postgres.superuser(SandboxPostgres.NAME))) {
                    var ours = "select distinct ssl from pg_stat_ssl join pg_stat_activity using (pid) where usename = 'bactrian'";
                    await().atMost(Duration.ofSeconds(30)).until(() -> sql.number(
                            "select count(*) from pg_stat_activity where application_name = 'bactrian listener' and query ilike 'listen%'") == 1);
                    assertEquals(List.of("true"), sql.texts(ours));
                }
                var https = URI.create(application.url("/api/customers").toString().replace("http:", "https:"));
                var trusting = HttpClient.newBuilder().sslContext(trust(keys)).build();
                assertEquals(200, trusting.send(HttpRequest.newBuilder(https).build(), BodyHandlers.ofString()).statusCode());
            }
        }
    }

    @Test
    void a_server_that_somebody_else_poses_as_is_not_trusted_by_the_listener_either() throws Exception {
        var keys = selfSigned("127.0.0.2");
        try (var postgres = SandboxPostgres.startTemporary()) {
            encrypt(postgres, keys);
            var listen = new ListenDataSource();
            listen.setUser(SandboxPostgres.NAME);
            listen.setPassword(SandboxPostgres.NAME);
            listen.setUrl(postgres.jdbcUrl() + "?sslmode=verify-full&sslrootcert=" + directory.resolve("cert.pem"));
            assertThrows(java.sql.SQLException.class, listen::getConnection);
            listen.setUrl(postgres.jdbcUrl() + "?sslmode=verify-ca&sslrootcert=" + directory.resolve("cert.pem"));
            try (var connection = listen.getConnection()) {
                assertTrue(connection.isValid(5));
            }
        }
    }

    @Test
    void producers_consumers_and_the_creation_of_topics_are_encrypted() throws Exception {
        var keys = selfSigned("127.0.0.1");
        var trusted = directory.resolve("trusted.p12");
        try (var out = Files.newOutputStream(trusted)) {
            trustStore(keys).store(out, PASSWORD.toCharArray());
        }
        var database = TestServices.database();
        try (var kafka = SandboxKafka.startEncrypted(directory.resolve("keys.p12"), trusted, PASSWORD);
                var stripe = StripeSimulator.start(StripeSimulator.Options.inMemory());
                var application = TestApplication.builder().postgres(database.jdbcUrl()).kafka(kafka)
                        .with("stripe.api-base", stripe.baseUrl().toString())
                        .with("kafka.consumers", "1")
                        .with("camel.component.kafka.security-protocol", "SSL")
                        .with("camel.component.kafka.ssl-truststore-location", trusted.toString())
                        .with("camel.component.kafka.ssl-truststore-password", PASSWORD)
                        .with("camel.component.kafka.ssl-truststore-type", "PKCS12")
                        .start();
                var sql = Sql.open(database.dataSource())) {
            sql.run("insert into customers (name) values ('Ada')");
            await().atMost(Duration.ofMinutes(1)).until(() -> sql.number("select count(*) from sync.link where external_id is not null") == 1);
            await().atMost(Duration.ofMinutes(1)).until(() -> application.manage("/observe/metrics").contains("bactrian_consumer_lag{"));
        }
    }

    private void encrypt(SandboxPostgres postgres, KeyStore keys) throws Exception {
        pem("cert.pem", "CERTIFICATE", keys.getCertificate("server").getEncoded());
        pem("key.pem", "PRIVATE KEY", keys.getKey("server", PASSWORD.toCharArray()).getEncoded());
        Files.setPosixFilePermissions(directory.resolve("key.pem"), PosixFilePermissions.fromString("rw-------"));
        try (var sql = Sql.open(postgres.superuser("postgres"))) {
            sql.run("alter system set ssl_cert_file = '" + directory.resolve("cert.pem") + "'");
            sql.run("alter system set ssl_key_file = '" + directory.resolve("key.pem") + "'");
            sql.run("alter system set ssl = on");
            sql.run("select pg_reload_conf()");
            await().atMost(Duration.ofSeconds(30)).until(() -> {
                try (var fresh = Sql.open(postgres.superuser("postgres"))) {
                    return fresh.text("show ssl").equals("on");
                }
            });
        }
    }

    private KeyStore selfSigned(String address) throws Exception {
        var file = directory.resolve("keys.p12");
        var keytool = Path.of(System.getProperty("java.home"), "bin", "keytool").toString();
        var process = new ProcessBuilder(keytool, "-genkeypair", "-alias", "server", "-keyalg", "EC", "-dname", "CN=" + address, "-ext", "SAN=ip:" + address,
                "-validity", "2", "-storetype", "PKCS12", "-keystore", file.toString(), "-storepass", PASSWORD).redirectErrorStream(true).start();
        var said = new String(process.getInputStream().readAllBytes());
        assertEquals(0, process.waitFor(), said);
        return KeyStore.getInstance(file.toFile(), PASSWORD.toCharArray());
    }

    private void pem(String name, String what, byte[] content) throws Exception {
        Files.writeString(directory.resolve(name), "-----BEGIN " + what + "-----\n" + Base64.getMimeEncoder(64, new byte[] {'\n'}).encodeToString(content)
                + "\n-----END " + what + "-----\n");
    }

    private static KeyStore trustStore(KeyStore keys) throws Exception {
        var store = KeyStore.getInstance("PKCS12");
        store.load(null, null);
        store.setCertificateEntry("server", keys.getCertificate("server"));
        return store;
    }

    private static SSLContext trust(KeyStore keys) throws Exception {
        var trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(trustStore(keys));
        var context = SSLContext.getInstance("TLS");
        context.init(null, trust.getTrustManagers(), null);
        return context;
    }
}
