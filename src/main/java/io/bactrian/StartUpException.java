package io.bactrian;

/** Bactrian cannot start, and waiting would not help. The message is one line that says what is wrong, where, and what to do. */
public final class StartUpException extends RuntimeException {

    private static final long serialVersionUID = 1;

    public StartUpException(String message) {
        super(message);
    }

    public StartUpException(String message, Throwable cause) {
        super(message, cause);
    }
}
