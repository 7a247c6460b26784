package io.bactrian.sandbox.stripe;

import java.time.Instant;

/** One event on its way to one endpoint. Its fields are guarded by {@link Webhooks}. */
final class Delivery {

    enum Status { PENDING, SENDING, RETRYING, SUCCEEDED, LOST, FAILED }

    final Stored event;
    final String endpoint;
    final boolean duplicate;
    /** Webhooks of one lane wait for each other; null is none. */
    final String lane;
    Status status = Status.PENDING;
    int attempts;
    /** What the endpoint answered last, or why it did not. */
    String outcome;
    Instant nextAttempt;
    Instant changed = Instant.now();

    Delivery(Stored event, String endpoint, boolean duplicate, String lane) {
        this.event = event;
        this.endpoint = endpoint;
        this.duplicate = duplicate;
        this.lane = lane;
    }
}
