package io.bactrian.state;

/** What came cannot be taken into the hub, for a reason that a person understands. */
public final class Unfit extends RuntimeException {

    private static final long serialVersionUID = 1;

    private final String code;

    /** @param code as Postgres would name it: an SQLSTATE */
    public Unfit(String code, String message) {
        super(message);
        this.code = code;
    }

    /** An SQLSTATE. */
    public String code() {
        return code;
    }
}
