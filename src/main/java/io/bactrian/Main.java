package io.bactrian;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.logging.LogManager;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Starts Bactrian: reads {@code application.properties}, {@code routes/} and {@code sql/} of the working directory and runs until it is told
 * to stop (SIGTERM, Ctrl-C). When it cannot start, the exit code is 1 and standard error says why, in one line.
 */
public final class Main {

    private static final Logger LOG = LoggerFactory.getLogger(Main.class);

    private Main() {
    }

    public static void main(String[] args) {
        System.exit(run(() -> { }));
    }

    /**
     * Runs until the JVM is told to stop.
     *
     * @param whenReady is called once Bactrian does its work
     * @return the exit code
     */
    public static int run(Runnable whenReady) {
        // What libraries say to java.util.logging they say again in their exceptions.
        LogManager.getLogManager().reset();
        for (var needed : new String[] {"application.properties", "routes", "sql"}) {
            if (!Files.exists(Path.of(needed))) {
                return cannotStart(needed + " is not in the directory " + Path.of("").toAbsolutePath() + ": start Bactrian where it is");
            }
        }
        var main = new org.apache.camel.main.Main();
        main.setPropertyPlaceholderLocations("file:application.properties");
        main.addMainListener(new StartUp(() -> !main.getShutdownStrategy().isRunAllowed(), whenReady));
        try {
            main.run();
            return 0;
        } catch (Exception e) {
            LOG.debug("cannot start", e);
            main.completed();
            return cannotStart(Diagnosis.of(main.getCamelContext(), e));
        }
    }

    private static int cannotStart(String reason) {
        System.err.println("Bactrian cannot start: " + reason);
        return 1;
    }
}
