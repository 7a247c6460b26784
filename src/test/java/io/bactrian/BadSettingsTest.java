package io.bactrian;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.bactrian.sandbox.SandboxPostgres;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What a person must put right ends the process with exit code 1 and one line that says what and where. */
class BadSettingsTest {

    private static final String ROUTE = """
            - route:
                id: greeting
                from:
                  uri: platform-http:/greeting
                  steps:
                    - setBody:
                        expression:
                          constant:
                            expression: hello
            """;

    private static final String INTEGRATION = """
            - templatedRoute:
                routeTemplateRef: integration
                routeId: shop-customers
                parameters:
                  - {name: entity, value: customers}
                  - {name: fields, value: "name, phone"}
                  - {name: policy, value: newest}
                  - {name: mappings, value: people}
                  - {name: directions, value: both}
                  - {name: system, value: shop}
                  - {name: resource, value: people}
            - route:
                id: people-from-hub
                from:
                  uri: direct:people-from-hub
                  steps:
                    - log:
                        message: mapped
            - route:
                id: people-to-hub
                from:
                  uri: direct:people-to-hub
                  steps:
                    - log:
                        message: mapped
            - route:
                id: find-shop
                from:
                  uri: direct:find-shop
                  steps:
                    - log:
                        message: found
            - route:
                id: list-shop
                from:
                  uri: direct:list-shop
                  steps:
                    - log:
                        message: listed
            - route:
                id: call-shop
                from:
                  uri: direct:call-shop
                  steps:
                    - log:
                        message: called
            """;

    @TempDir
    Path directory;

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
            STRIPE_API_KEY    |                              | stripe.api-key is not set: set it in application.properties, or STRIPE_API_KEY in the environment
            POSTGRES_URL      | postgresql://localhost/hub   | postgres.url is not an address of a Postgres database: it must look like jdbc:postgresql://host:5432/database
            POSTGRES_POOL_SIZE| many                         | application.properties: camel.beans.dataSource.maximumPoolSize cannot be set: For input string: "many"
            KAFKA_BROKERS     | localhost                    | kafka.brokers or another setting of Kafka is wrong: Invalid url in bootstrap.servers: localhost
            STRIPE_RATE_LIMIT | 0                            | stripe.rate-limit is '0': it must be a number of calls a second, more than 0; to call nobody, select sync.pause('stripe')
            STRIPE_INBOUND    | push                         | stripe.inbound is 'push': it must be webhook, poll or both
            RECONCILE_FIRST_CONTACT | on                     | reconcile.first-contact is 'on': it must be off, diff, link or heal
            WELCOME_EMAIL_PROVIDER | pigeon                  | welcome-email.provider is 'pigeon': it must be sendgrid, smtp or empty, for no welcome e-mails
            WELCOME_EMAIL_PROVIDER | smtp                    | welcome-email.from is not set: with a welcome-email.provider it must be an e-mail address
            HTTP_PORT         | 80800                        | http.port is '80800': it must be a port, a number from 0 (any free one) to 65535
            """)
    void names_the_setting_that_is_missing_or_malformed(String name, String value, String expected) throws Exception {
        assertEquals(expected, complaint(ROUTE, Map.of(name, value == null ? "" : value)));
    }

    @Test
    void names_what_the_mail_provider_lacks() throws Exception {
        assertEquals("sendgrid.api-key is not set: welcome-email.provider=sendgrid needs it",
                complaint(ROUTE, Map.of("WELCOME_EMAIL_PROVIDER", "sendgrid", "WELCOME_EMAIL_FROM", "hello@example.com")));
    }

    @Test
    void names_the_user_who_is_refused_and_not_the_password() throws Exception {
        var complaint = complaint(ROUTE, Map.of("POSTGRES_PASSWORD", "#not-the-password"));
        assertTrue(complaint.contains("(postgres.url) refuses the user 'bactrian': check postgres.username, postgres.password"), complaint);
        assertTrue(!complaint.contains("not-the-password"), complaint);
    }

    @Test
    void names_the_database_that_does_not_exist() throws Exception {
        var complaint = complaint(ROUTE, Map.of("POSTGRES_URL", TestServices.postgres().jdbcUrl("nowhere")));
        assertTrue(complaint.startsWith("Postgres, database 'nowhere' at 127.0.0.1:"), complaint);
        assertTrue(complaint.endsWith("(postgres.url) has no such database: create it, or correct postgres.url"), complaint);
    }

    @Test
    void names_the_port_that_is_taken() throws Exception {
        try (var other = new ServerSocket()) {
            other.bind(new InetSocketAddress(SandboxPostgres.HOST, 0));
            var port = Integer.toString(other.getLocalPort());
            assertEquals("http.port: port " + port + " of 127.0.0.1 is taken by another process; end that one, or set another port",
                    complaint(ROUTE, Map.of("HTTP_PORT", port)));
        }
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            expression: hello              | expression: "hello        | routes/greeting.camel.yaml:10: found unexpected end of stream
            setBody:                       | setBodi:                  | routes/greeting.camel.yaml:6: Unknown node id: setBodi
            uri: platform-http:/greeting   | uri: platform-htp:/hello  | routes/greeting.camel.yaml:4: No endpoint could be found for: platform-htp:///hello, please check your classpath contains the needed Camel component jar.
            expression: hello              | expression: "{{no.such}}" | routes/greeting.camel.yaml:6: Property with key [no.such] not found in properties from text: {{no.such}}
            """)
    void names_the_line_of_a_route_that_is_malformed(String right, String wrong, String expected) throws Exception {
        assertEquals(expected, complaint(ROUTE.replace(right, wrong), Map.of()));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
            name, phone          | name, fone                     | 6: fields of shop and customers: the table has no column 'fone': add it, or correct the name
            name, phone          |                                | 6: fields of shop and customers: there are none: name the columns, or use the template announce
            newest               | latest                         | 7: policy of shop and customers: it is 'latest': it must be newest, hub or remote, and then, for single fields, 'field: word' with one of newest, hub, remote, once, in, out and 'in except <status>'
            newest               | "newest, email: hub"           | 7: policy of shop and customers: it is about 'email', which is not among the fields: add it there, or take it away here
            direct:call-shop     | direct:call-shops              | 3: call of shop and customers: there is no route direct:call-shop: add one, or correct the name
            people-to-hub        | persons-to-hub                 | 8: mappings of shop and customers: there is no route direct:people-to-hub: add one, or correct the name
            direct:list-shop     | direct:list-shops              | 10: system of shop and customers: there is no route direct:list-shop: add one, or correct the name
            both                 | away                           | 9: directions of shop and customers: it is 'away': it must be both or out
            """)
    void names_the_line_of_an_integration_that_cannot_be(String right, String wrong, String expected) throws Exception {
        assertEquals("routes/greeting.camel.yaml:" + expected, complaint(INTEGRATION.replace(right, wrong == null ? "" : wrong), Map.of()));
    }

    @Test
    void names_the_second_integration_of_the_same_table_and_system() throws Exception {
        var twice = INTEGRATION + INTEGRATION.lines().takeWhile(line -> !line.equals("- route:")).map(line -> line.replace("shop-customers", "again")).collect(Collectors.joining("\n"));
        assertEquals("routes/greeting.camel.yaml:%d: entity of shop and customers: shop and customers are in routes/greeting.camel.yaml:5 already: take one of the two away"
                .formatted(INTEGRATION.lines().count() + 5), complaint(twice, Map.of()));
    }

    private String complaint(String route, Map<String, String> wrong) throws Exception {
        var environment = new HashMap<>(Map.of(
                "POSTGRES_URL", TestServices.postgres().jdbcUrl(),
                "POSTGRES_USERNAME", SandboxPostgres.NAME,
                "POSTGRES_PASSWORD", SandboxPostgres.NAME,
                "KAFKA_BROKERS", "127.0.0.1:1",
                "STRIPE_API_KEY", "sk_test",
                "STRIPE_WEBHOOK_SECRET", "whsec_test",
                "HTTP_PORT", "0",
                "MANAGEMENT_PORT", "0"));
        environment.putAll(wrong);
        ChildProcess.copyTo(directory, "application.properties", "sql");
        Files.writeString(Files.createDirectory(directory.resolve("routes")).resolve("greeting.camel.yaml"), route);
        Files.copy(Path.of("routes/templates/integration.camel.yaml"), directory.resolve("routes/integration.camel.yaml"));
        try (var application = ChildProcess.application(directory, environment)) {
            assertEquals(1, application.exitCode());
            assertEquals("", application.output());
            assertEquals(1, application.errors().lines().count(), application::errors);
            return application.errors().strip().replaceFirst("^Bactrian cannot start: ", "");
        }
    }
}
