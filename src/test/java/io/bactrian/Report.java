package io.bactrian;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.Consumer;

/** What is told of a scenario: what happens next, as soon as it does, and a table of what was measured. */
final class Report {

    private final Consumer<String> progress;
    private final List<String> rows = new ArrayList<>();

    /** @param progress is told what happens next */
    Report(Consumer<String> progress) {
        this.progress = progress;
    }

    void step(String next) {
        progress.accept(next);
    }

    /** Adds a row: whole numbers with separators, others with one digit. */
    void tell(String what, Object howMuch) {
        rows.add("| " + what + " | " + text(howMuch) + " |");
    }

    private static String text(Object value) {
        return value instanceof Double number ? String.format(Locale.ROOT, "%,.1f", number)
                : value instanceof Number number ? String.format(Locale.ROOT, "%,d", number.longValue()) : value.toString();
    }

    /** The rows in Markdown. */
    List<String> rows() {
        return rows;
    }
}
