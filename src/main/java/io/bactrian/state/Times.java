package io.bactrian.state;

import java.math.BigDecimal;
import java.math.RoundingMode;
import java.time.DateTimeException;
import java.time.Instant;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.util.regex.Pattern;

/** Times to the microsecond, as Postgres has them: as seconds since the epoch, and as its JSON spells them. */
public final class Times {

    private static final long MICROS = 1_000_000;
    private static final Pattern SPELLED = Pattern.compile("(\\d{4,6})-(\\d\\d)-(\\d\\d)(?:[T ]([0-9:.]+))?(Z|[+-][0-9:]+)?( BC)?");

    private Times() {
    }

    /**
     * A time from its seconds.
     *
     * @throws Unfit when it is none that Postgres has
     */
    public static Instant ofSeconds(String text) {
        try {
            return instant(new BigDecimal(text));
        } catch (NumberFormatException | NullPointerException e) {
            throw new Unfit("22007", "this is no time");
        }
    }

    /**
     * A time from its seconds.
     *
     * @throws Unfit when it is none that Postgres has
     */
    public static Instant instant(BigDecimal seconds) {
        long digits = (long) seconds.precision() - seconds.scale(); // before the point
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

    /**
     * A time as Postgres spells it in JSON, with or without a zone.
     *
     * @throws Unfit when that is none
     */
    static Instant parse(String text) {
        switch (text) {
            case "infinity":
                return Instant.MAX;
            case "-infinity":
                return Instant.MIN;
            case "epoch":
                return Instant.EPOCH;
            default:
        }
        return isPlain(text) ? plain(text) : any(text);
    }

    /** As nearly all are: {@code 2026-11-28T19:01:02.123456+00:00}. */
    private static boolean isPlain(String text) {
        return text.length() >= 25 && text.length() <= 32 && text.charAt(4) == '-' && text.charAt(10) == 'T' && text.endsWith("+00:00")
                && (text.length() == 25 || text.charAt(19) == '.') && text.chars().noneMatch(one -> one > '9' && one != 'T');
    }

    private static Instant plain(String text) {
        int nanos = 0;
        for (int i = 20, unit = 100_000_000; i < text.length() - 6; i++, unit /= 10) {
            nanos += (text.charAt(i) - '0') * unit;
        }
        try {
            return LocalDateTime.of(number(text, 0, 4), number(text, 5, 7), number(text, 8, 10), number(text, 11, 13), number(text, 14, 16), number(text, 17, 19), nanos)
                    .toInstant(ZoneOffset.UTC);
        } catch (DateTimeException | NumberFormatException e) {
            throw new Unfit("22007", "this is no time");
        }
    }

    private static int number(String text, int from, int to) {
        return Integer.parseInt(text, from, to, 10);
    }

    private static Instant any(String text) {
        var spelled = SPELLED.matcher(text);
        if (!spelled.matches()) {
            throw new Unfit("22007", "this is no time");
        }
        try {
            int year = Integer.parseInt(spelled.group(1));
            var time = spelled.group(4) == null ? LocalTime.MIDNIGHT : LocalTime.parse(spelled.group(4));
            var local = LocalDateTime.of(spelled.group(6) == null ? year : 1 - year, Integer.parseInt(spelled.group(2)), Integer.parseInt(spelled.group(3)), time.getHour(),
                    time.getMinute(), time.getSecond(), time.getNano());
            return local.toInstant(spelled.group(5) == null ? ZoneOffset.UTC : ZoneOffset.of(spelled.group(5)));
        } catch (DateTimeException e) {
            throw new Unfit("22007", "this is no time");
        }
    }

    /** A time as Postgres takes it; null when there is none. */
    public static String spell(Instant time) {
        if (time == null || time.equals(Instant.MAX) || time.equals(Instant.MIN)) {
            return time == null ? null : time.equals(Instant.MAX) ? "infinity" : "-infinity";
        }
        var there = OffsetDateTime.ofInstant(time, ZoneOffset.UTC);
        if (there.getYear() > 0) {
            return time.toString().replaceFirst("^[+]", "");
        }
        return "%04d".formatted(1 - there.getYear()) + there.withYear(4).toString().substring(4) + " BC";
    }
}
