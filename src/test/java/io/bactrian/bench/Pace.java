package io.bactrian.bench;

import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;

/** Lets one thread act at a steady rate. */
public final class Pace {

    private final long interval;
    private long next = System.nanoTime();

    /** @param rate how often in a second */
    public Pace(int rate) {
        interval = TimeUnit.SECONDS.toNanos(1) / rate;
    }

    /** Returns when it is time to act again; at once when that time has passed. */
    public void await() {
        next += interval;
        for (long left = next - System.nanoTime(); left > 0; left = next - System.nanoTime()) {
            LockSupport.parkNanos(left);
        }
    }
}
