package io.bactrian.bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/**
 * Where the flight recordings of the applications go: {@code -Dbench.jfr} is a file, whose name ends in .jfr, or a directory, for one of each benchmark. A second application has -2
 * in its name, and so on.
 */
final class Recordings {

    private static final String SUFFIX = ".jfr";

    private static String benchmark = "application";
    private static int applications;

    private Recordings() {
    }

    /** The next applications are those of this benchmark. */
    static void begin(String name) {
        benchmark = name;
        if (!target().endsWith(SUFFIX)) {
            applications = 0;
        }
    }

    /** The options of the next application's JVM: none when it is not to be recorded. */
    static List<String> options() throws IOException {
        if (target().isEmpty()) {
            return List.of();
        }
        applications++;
        var file = Path.of(target().endsWith(SUFFIX) ? target() : target() + "/" + benchmark + SUFFIX).toAbsolutePath();
        if (applications > 1) {
            file = file.resolveSibling(file.getFileName().toString().replace(SUFFIX, "-" + applications + SUFFIX));
        }
        Files.createDirectories(file.getParent());
        return List.of("-XX:StartFlightRecording:settings=profile,filename=" + file);
    }

    private static String target() {
        return System.getProperty("bench.jfr", "").strip();
    }
}
