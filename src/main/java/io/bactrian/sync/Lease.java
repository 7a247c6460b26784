package io.bactrian.sync;

import java.util.function.BooleanSupplier;
import org.apache.camel.Exchange;

/** What a worker has of a record that it writes. It is renewed before each call, when a while has passed since: the wait for a permit, say. */
final class Lease {

    private static final String PROPERTY = "bactrian.lease";

    private final long nanos;
    private final BooleanSupplier renewal;
    private long since;

    /**
     * @param nanos how long it holds
     * @param since when it was asked for, by {@link System#nanoTime}
     * @param renewal renews it in Postgres; false when it is lost
     */
    Lease(long nanos, long since, BooleanSupplier renewal) {
        this.nanos = nanos;
        this.since = since;
        this.renewal = renewal;
    }

    /** From now on the exchange's calls are made under it. */
    void accompany(Exchange exchange) {
        exchange.setProperty(PROPERTY, this);
    }

    /**
     * A call is about to begin.
     *
     * @throws IllegalStateException when somebody else has the record by now: then nothing is to be called
     */
    static void renew(Exchange exchange) {
        var lease = exchange.getProperty(PROPERTY, Lease.class);
        if (lease != null) {
            lease.renew();
        }
    }

    private void renew() {
        long now = System.nanoTime();
        if (now - since < nanos / 20) {
            return;
        }
        if (!renewal.getAsBoolean()) {
            throw new IllegalStateException("the lease is lost: somebody else has the record by now");
        }
        since = now;
    }
}
