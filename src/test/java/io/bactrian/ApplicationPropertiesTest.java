package io.bactrian;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Properties;
import org.junit.jupiter.api.Test;

class ApplicationPropertiesTest {

    @Test
    void carries_no_secret() throws Exception {
        var properties = new Properties();
        try (var in = Files.newInputStream(Path.of("application.properties"))) {
            properties.load(in);
        }
        for (var secret : new String[] {"postgres.password", "stripe.api-key", "stripe.webhook-secret"}) {
            assertEquals("", properties.getProperty(secret), secret);
        }
    }
}
