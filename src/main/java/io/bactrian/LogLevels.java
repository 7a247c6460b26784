package io.bactrian;

import org.apache.camel.CamelContext;
import org.apache.logging.log4j.Level;
import org.apache.logging.log4j.core.config.Configurator;

/** How much is logged: {@code log.level} is for everything, {@code log.level.<logger>} for that logger and those below it. */
final class LogLevels {

    private static final String PREFIX = "log.level";

    private LogLevels() {
    }

    /** Applies the settings. */
    static void apply(CamelContext camel) {
        var properties = camel.getPropertiesComponent();
        properties.loadProperties(name -> name.startsWith(PREFIX)).stringPropertyNames().forEach(name -> {
            var value = properties.resolveProperty(name).orElse("").strip();
            var level = Level.toLevel(value, null);
            if (level == null) {
                throw new StartUpException(name + " is '" + value + "': it must be one of off, error, warn, info, debug, trace");
            }
            if (name.equals(PREFIX)) {
                Configurator.setRootLevel(level);
            } else {
                Configurator.setLevel(name.substring(PREFIX.length() + 1), level);
            }
        });
    }
}
