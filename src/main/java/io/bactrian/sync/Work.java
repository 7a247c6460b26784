package io.bactrian.sync;

/**
 * A record that may have to be written to another system.
 *
 * @param cause what asked for it, for the timeline
 * @param changedAt of a change: when it was made, in milliseconds since the epoch; else null
 * @param background whether others go before
 * @param unlisted whether a reconcile did not find its object in the list: a read that does not find it either is believed then
 */
record Work(Integration integration, String recordId, String cause, Long changedAt, boolean background, boolean unlisted) {
}
