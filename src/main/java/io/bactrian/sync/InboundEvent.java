package io.bactrian.sync;

/**
 * What another system said of one of its objects, in the hub's terms. All JSON is text, because what is not JSON to Postgres is a fault of this event.
 *
 * @param event as {@code sync.apply_inbound} in {@code sql/migration/R__inbound.sql} describes it
 * @param remote the object in canonical form; null when it is gone, or only a hint came
 * @param previous the same before the event; null when that is not told
 * @param error why it could not be brought into canonical form; null when it could
 */
record InboundEvent(Integration integration, String event, String remote, String previous, String error) {
}
