package io.bactrian.sandbox;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Properties;

/**
 * The application's settings as the sandbox finds them, in the application's order (environment, system properties, application.properties),
 * and its own: {@code sandbox.directory}, {@code sandbox.postgres-port}, {@code sandbox.kafka-port}, {@code sandbox.stripe-port}.
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

    /** Gives a setting to the application, which reads it as a system property. */
    void set(String name, String value) {
        System.setProperty(name, value);
    }

    /** A setting of the sandbox's own, which has a default. */
    String get(String name, String otherwise) {
        return isEmpty(name) ? otherwise : get(name);
    }

    /** A port of the sandbox's own, which has a default. */
    int port(String name, int otherwise) {
        return Integer.parseInt(get(name, Integer.toString(otherwise)));
    }

    private static String environmentName(String name) {
        return name.toUpperCase(Locale.ROOT).replace('.', '_').replace('-', '_');
    }
}
