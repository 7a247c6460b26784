package io.bactrian.watch;

/** What an exception comes from. */
final class Causes {

    private Causes() {
    }

    /** The innermost cause: its kind, and the first line of what it says. */
    static String root(Throwable exception) {
        var root = exception;
        while (root.getCause() != null) {
            root = root.getCause();
        }
        var said = root.getMessage() == null ? "" : ": " + root.getMessage().strip().lines().findFirst().orElse("");
        return root.getClass().getSimpleName() + said;
    }
}
