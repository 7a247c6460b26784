package io.bactrian;

import java.time.Duration;
import java.time.ZoneId;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.camel.CamelContext;
import org.postgresql.Driver;

/**
 * The settings that start-up itself needs, read the way routes read theirs: from the environment, else from system properties, else from
 * {@code application.properties}.
 *
 * @param postgresUrl a valid address, {@code jdbc:postgresql://host:5432/database}
 * @param kafkaBrokers host:port, comma-separated
 * @param httpPort the public port, 0 for a free one
 * @param httpPatience how long a client may take to send a request
 * @param managementPort the management port, 0 for a free one
 */
record Settings(
        String postgresUrl,
        String postgresUsername,
        String postgresPassword,
        String kafkaBrokers,
        String httpHost,
        int httpPort,
        Duration httpPatience,
        String managementHost,
        int managementPort,
        Map<String, String> defaults) {

    private static final String ADDRESS = "[^\\s@,;:\"\\\\<>()]+@[^\\s@,;:\"\\\\<>()]+";

    /**
     * Reads and checks them.
     *
     * @throws StartUpException naming the setting that is missing or wrong
     */
    static Settings of(CamelContext camel) {
        var inbound = oneOf(camel, "stripe.inbound", "webhook", "poll", "both");
        oneOf(camel, "reconcile.first-contact", "off", "diff", "link", "heal");
        oneOf(camel, "reconcile.scheduled-mode", "diff", "link", "heal");
        Arrays.stream(text(camel, "settings.required").split(","))
                .map(String::strip)
                .filter(name -> !name.isEmpty() && text(camel, name).isEmpty())
                .filter(name -> !(name.equals("stripe.webhook-secret") && inbound.equals("poll")))
                .findFirst()
                .ifPresent(name -> {
                    throw new StartUpException(name + " is not set: set it in application.properties, or " + environmentName(name)
                            + " in the environment");
                });
        checkWelcomeEmail(camel);
        if (!ZoneId.getAvailableZoneIds().contains(text(camel, "stripe.timezone"))) {
            throw new StartUpException("stripe.timezone is '" + text(camel, "stripe.timezone") + "': it must be a time zone such as UTC or America/Los_Angeles");
        }
        require(camel, "stripe.rate-limit", "|(?=.*[1-9])[0-9]{1,6}(\\.[0-9]{1,6})?", "it must be a number of calls a second, more than 0; to call nobody, select sync.pause('stripe')");
        require(camel, "sync.max-deletes", "[0-9]{1,9}", "it must be a number of deletes");
        require(camel, "sync.max-delete-percent", "[0-9]{1,3}(\\.[0-9]{1,3})?", "it must be a percentage");
        var settings = new Settings(
                text(camel, "postgres.url"),
                text(camel, "postgres.username"),
                text(camel, "postgres.password"),
                text(camel, "kafka.brokers"),
                text(camel, "http.host"),
                port(camel, "http.port"),
                seconds(camel, "http.patience"),
                text(camel, "management.host"),
                port(camel, "management.port"),
                defaults(camel));
        settings.parsedUrl();
        if (settings.httpPort != 0 && settings.httpPort == settings.managementPort) {
            throw new StartUpException("http.port and management.port are both " + settings.httpPort + ": choose another for one of them");
        }
        return settings;
    }

    private static void checkWelcomeEmail(CamelContext camel) {
        var provider = text(camel, "welcome-email.provider");
        require(camel, "welcome-email.provider", "|sendgrid|smtp", "it must be sendgrid, smtp or empty, for no welcome e-mails");
        require(camel, "welcome-email.ops", "c|c,r", "it must be c, or c,r");
        require(camel, "welcome-email.max-age-hours", "[0-9]{1,6}", "it must be a number of hours");
        if (provider.isEmpty()) {
            return;
        }
        require(camel, "welcome-email.from", ADDRESS, "with a welcome-email.provider it must be an e-mail address");
        require(camel, "welcome-email.from-name", "[^\"\\\\<>\\p{Cntrl}]*", "it must be without quotes, backslashes and angle brackets");
        require(camel, "welcome-email.reply-to", "|" + ADDRESS, "it must be an e-mail address, or empty");
        if (provider.equals("sendgrid")) {
            require(camel, "sendgrid.api-key", "[!-~]+", "welcome-email.provider=sendgrid needs it", false);
        } else {
            require(camel, "smtp.url", "smtps?://[^\\s/?@]+", "it must look like smtp://host:587 or smtps://host:465");
        }
    }

    private static void require(CamelContext camel, String name, String pattern, String rule) {
        require(camel, name, pattern, rule, true);
    }

    private static void require(CamelContext camel, String name, String pattern, String rule, boolean show) {
        var value = text(camel, name);
        if (!value.matches(pattern)) {
            throw new StartUpException(name + (value.isEmpty() ? " is not set: " : show ? " is '" + value + "': " : " cannot be a key: ") + rule);
        }
    }

    /**
     * What an empty setting means, where that depends on others. Stripe allows 100 calls a second in live mode and 25 in a sandbox, see
     * https://docs.stripe.com/rate-limits; four fifths are taken.
     */
    private static Map<String, String> defaults(CamelContext camel) {
        var live = text(camel, "stripe.api-key").matches("[sr]k_live_.*");
        return text(camel, "stripe.rate-limit").isEmpty() ? Map.of("stripe.rate-limit", live ? "80" : "20") : Map.of();
    }

    /** Where Postgres is, for a person. */
    String postgresName() {
        return "Postgres, database '" + parsedUrl().getProperty("PGDBNAME") + "' at " + postgresHost();
    }

    private String postgresHost() {
        var parsed = parsedUrl();
        return parsed.getProperty("PGHOST").split(",")[0] + ":" + parsed.getProperty("PGPORT").split(",")[0];
    }

    private Properties parsedUrl() {
        // The driver names what it does not understand on its logger, and says no more than null here.
        var parsed = Driver.parseURL(postgresUrl, null);
        if (parsed == null || parsed.getProperty("PGDBNAME") == null) {
            throw new StartUpException("postgres.url is not an address of a Postgres database: it must look like jdbc:postgresql://host:5432/database");
        }
        return parsed;
    }

    /** Never the password. */
    @Override
    public String toString() {
        return "Settings[" + postgresName() + ", " + kafkaBrokers + "]";
    }

    private static String oneOf(CamelContext camel, String name, String... allowed) {
        var value = text(camel, name);
        if (!List.of(allowed).contains(value)) {
            int last = allowed.length - 1;
            throw new StartUpException(name + " is '" + value + "': it must be " + String.join(", ", Arrays.copyOf(allowed, last)) + " or " + allowed[last]);
        }
        return value;
    }

    private static int port(CamelContext camel, String name) {
        var value = text(camel, name);
        try {
            int port = Integer.parseInt(value);
            if (port >= 0 && port <= 65_535) {
                return port;
            }
        } catch (NumberFormatException e) {
            // Said below, as for a number that is no port.
        }
        throw new StartUpException(name + " is '" + value + "': it must be a port, a number from 0 (any free one) to 65535");
    }

    private static Duration seconds(CamelContext camel, String name) {
        var value = text(camel, name);
        if (!value.matches("[1-9][0-9]{0,3}")) {
            throw new StartUpException(name + " is '" + value + "': it must be a number of seconds, from 1 to 9999");
        }
        return Duration.ofSeconds(Long.parseLong(value));
    }

    private static String text(CamelContext camel, String name) {
        return camel.getPropertiesComponent().resolveProperty(name).orElse("").strip();
    }

    private static String environmentName(String name) {
        return name.toUpperCase(java.util.Locale.ROOT).replace('.', '_').replace('-', '_');
    }
}
