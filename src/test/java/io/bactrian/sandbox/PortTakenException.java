package io.bactrian.sandbox;

import java.io.IOException;

/** A server cannot be started because something else listens on its port. */
public final class PortTakenException extends IOException {

    private static final long serialVersionUID = 1;

    private final int port;

    PortTakenException(int port) {
        super("port " + port + " is taken");
        this.port = port;
    }

    /** The port in question. */
    public int port() {
        return port;
    }
}
