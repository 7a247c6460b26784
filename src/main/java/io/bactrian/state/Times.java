package io.bactrian.state;

import java.math.BigDecimal;
import java.math.RoundingMode;
import java.time.Instant;

/** Times as seconds since the epoch, to the microsecond, as Postgres has them. */
public final class Times {

    private static final long MICROS = 1_000_000;

    private Times() {
    }

    /**
     * A time from its seconds.
     *
     * @throws Unfit when it is none that Postgres has
     */
    public static Instant instant(BigDecimal seconds) {
        int digits = seconds.precision() - seconds.scale(); // before the point
        if (digits > 12) {
            throw new Unfit("22008", "timestamp out of range");
        }
        long micros = digits < -6 ? 0 : seconds.movePointRight(6).setScale(0, RoundingMode.HALF_EVEN).longValueExact();
        return Instant.EPOCH.plusSeconds(Math.floorDiv(micros, MICROS)).plusNanos(Math.floorMod(micros, MICROS) * 1000);
    }

    /** The seconds of a time. */
    public static BigDecimal seconds(Instant time) {
        return BigDecimal.valueOf(time.getEpochSecond()).add(BigDecimal.valueOf(time.getNano() / 1000, 6));
    }
}
