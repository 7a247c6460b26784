package io.bactrian.sandbox;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Properties;

/**
 * The application's settings as the sandbox finds them, in the application's order (environment, system properties, application.properties),
 * and its own: {@code sandbox.directory}, {@code sandbox.postgres-port}, {@code sandbox.kafka-port}, {@code sandbox.stripe-port},
 * {@code sandbox.mail-port}.
 */
final class SandboxSettings {

    private final Properties file = new Properties();

    SandboxSettings() throws IOException {
        try (var in = Files.newBufferedReader(Path.of("application.properties"))) {
            file.load(in);
        }
    }

    /** The value of a setting; empty when it is not set. */
    String get(String name) {
        var environment = System.getenv(environmentName(name));
        var value = environment == null ? System.getProperty(name, file.getProperty(name, "")) : environment;
        return value.strip();
    }

    /** Whether the user said nothing about it, so that the sandbox may. */
    boolean isEmpty(String name) {
        return get(name).isEmpty();
    }

    /**
     * Gives a setting to the application, which reads it as a system property.
     *
     * @throws IOException when the application would not see it, because an environment variable wins
     */
    void set(String name, String value) throws IOException {
        if (System.getenv(environmentName(name)) != null) {
            throw new IOException(environmentName(name) + " is set in the environment, where it wins over the sandbox; unset it");
        }
        System.setProperty(name, value);
    }

    /** A setting of the sandbox's own, which has a default. */
    String get(String name, String otherwise) {
        return isEmpty(name) ? otherwise : get(name);
    }

    /**
     * The setting of a port, which has a default.
     *
     * @throws IOException when it is no number from 1 to 65535
     */
    int port(String name, int otherwise) throws IOException {
        var value = get(name, Integer.toString(otherwise));
        if (value.matches("[0-9]{1,5}") && Integer.parseInt(value) > 0 && Integer.parseInt(value) <= 65_535) {
            return Integer.parseInt(value);
        }
        throw new IOException(name + " is '" + value + "'; it must be a port, a number from 1 to 65535");
    }

    private static String environmentName(String name) {
        return name.toUpperCase(Locale.ROOT).replace('.', '_').replace('-', '_');
    }
}
