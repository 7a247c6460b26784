package io.bactrian.state;

import java.util.Locale;

/** One of the two that are kept in sync. */
public enum Side {
    HUB, REMOTE;

    /** As sync.conflict has it. */
    public String word() {
        return name().toLowerCase(Locale.ROOT);
    }
}
