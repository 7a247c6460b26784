package io.bactrian.sync;

import org.apache.camel.Exchange;

/** Tells what went wrong with another system, and what follows from it. */
public interface Failures {

    /** Whether trying a failed call again may help: {@code transient}, {@code permanent}, {@code denied} or {@code fatal}. */
    String kind(Throwable failure);

    /** Whether a mapping that failed so may succeed soon: Postgres, of which it asked something, is away. */
    boolean passes(Throwable failure);

    /** What it means that something could not be read or listed, whatever record it was for. */
    Refusal refusal(String system, Throwable failure);

    /**
     * What a failure says.
     *
     * @param kind what the system's answer means, {@code transient}, {@code permanent}, {@code denied}, {@code fatal}, or {@code gone}, the object; empty when none came
     * @param permission the system's name of what is missing, or null
     * @param reason what a person needs to know, without personal data
     * @param lasting whether it will hardly be different soon: nothing is away
     */
    record Refusal(String kind, String permission, String reason, boolean lasting) {

        /** Whether a permission is missing. */
        public boolean isDenied() {
            return kind.equals("denied");
        }

        /** Whether the object is not there. */
        public boolean isGone() {
            return kind.equals("gone");
        }

        /** Whether the system answered, and may answer otherwise another time. */
        public boolean mayPass() {
            return !kind.isEmpty() && !kind.equals("permanent");
        }
    }

    /**
     * Sets the variable {@code result} for the failure of a write, which is the exchange's property {@link Exchange#EXCEPTION_CAUGHT}. It stays
     * {@code settle} when the object that was to be updated or deleted is gone, for that is an outcome. It is {@code again} when the same call may succeed
     * in a moment. Else it is {@code fail}, with these variables:
     *
     * <ul>
     *   <li>{@code class}: {@code transient}, {@code permanent} (nothing was written, and only a person or another change of the record can
     *       mend it), {@code denied} (no record of its kind can be written, for want of a {@code permission}) or {@code fatal} (no record at all)
     *   <li>{@code permission}: the other system's name of what is missing, or null
     *   <li>{@code key_spent}: the answer is stored under the idempotency key, and comes again with it
     *   <li>{@code unanswered}: the system did not do its part, whatever the record; {@code down}: too often of late
     *   <li>{@code slow_down}: the class of endpoints that was called too fast, empty for all of them; null when none was
     *   <li>{@code code}, {@code reason}: what a person needs to know, without personal data
     *   <li>{@code request_id}: the other system's, or null
     *   <li>{@code retry_after}: seconds that the other system asks to wait, or null
     * </ul>
     */
    void describe(Exchange exchange);
}
