package io.bactrian.sync;

/**
 * What a mapping's failure means for the event that was mapped.
 *
 * @param kind see there
 * @param permission of {@link Kind#DENIED}: the other system's name of what is missing, or null
 * @param reason of {@link Kind#DENIED}: in words, without personal data
 */
public record Unreadable(Kind kind, String permission, String reason) {

    /** What to do about it. */
    public enum Kind {
        /** What it needs of the other system may not be read. The event becomes a hint: its object is read, and mapped anew, when that may be. */
        DENIED,
        /** What it needs cannot be read now. Whoever sent the event repeats it. */
        LATER,
        /** It does not fit. The event is kept, and a person mends the mapping or the object. */
        UNFIT
    }
}
