package io.bactrian.catchup;

import java.util.List;

/**
 * A page of another system's objects.
 *
 * @param objects as {@code sync.keep_objects} takes them
 * @param next what the system's route says to have the next page, whatever that is; null after the last one
 * @param at when it was read, in seconds by the system's clock
 */
record Listing(List<String> objects, String next, Double at) {
}
