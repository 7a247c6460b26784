package io.bactrian;

/**
 * A route says that a record cannot be sent as it is. The message goes to a person, in {@code sync.failure}: it says why and what to do, and
 * has no personal data.
 */
public final class RefusedException extends RuntimeException {

    private static final long serialVersionUID = 1L;

    public RefusedException(String message) {
        super(message, null, false, false);
    }
}
