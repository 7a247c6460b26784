package io.bactrian;

/** A system's key belongs to another account than its links were made with: nothing may be sent with it. The message says what to do. */
public final class OtherAccountException extends RuntimeException {

    private static final long serialVersionUID = 1L;

    public OtherAccountException(String message) {
        super(message, null, false, false);
    }
}
