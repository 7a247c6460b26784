package io.bactrian.catchup;

import java.math.BigDecimal;

/**
 * A reconcile that this instance has, at one page of one step: they are told of in {@code sql/migration/R__reconcile.sql}.
 *
 * @param position where the page begins; null for the first one
 * @param since when it was taken, in seconds by our clock
 */
record Run(long id, String step, String position, BigDecimal since) {

    /** Whether the other system's objects are listed. */
    boolean isListing() {
        return step.equals("remote");
    }

    /** Whether workers mend records. */
    boolean isMending() {
        return step.equals("changes") || step.equals("deletes");
    }
}
