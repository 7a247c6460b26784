package io.bactrian.state;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.time.Instant;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class TimesTest {

    @ParameterizedTest
    @CsvSource({
        "2026-11-28T19:01:02.123456+00:00, 2026-11-28T19:01:02.123456Z",
        "2026-11-28T19:01:02+05:30,        2026-11-28T13:31:02Z",
        "2026-11-28T19:01:02,              2026-11-28T19:01:02Z",
        "2026-11-28,                       2026-11-28T00:00:00Z",
        "10000-02-01T00:00:00+00:00,       10000-02-01T00:00:00Z",
        "0044-03-15T12:00:00+00:00 BC,     0044-03-15T12:00 BC",
        "infinity, infinity", "-infinity, -infinity", "epoch, 1970-01-01T00:00:00Z"})
    void a_time_is_read_as_postgres_spells_it_and_spelled_as_postgres_reads_it(String read, String spelled) {
        assertEquals(spelled, Times.spell(Times.parse(read)).replaceFirst("(\\d\\d:\\d\\d)Z BC$", "$1 BC"));
    }

    @ParameterizedTest
    @CsvSource({"1700000000, 2023-11-14T22:13:20Z", "1700000000.123456, 2023-11-14T22:13:20.123456Z", "-0.5, 1969-12-31T23:59:59.500Z", "1e-999999999, 1970-01-01T00:00:00Z"})
    void seconds_are_a_time(String seconds, Instant time) {
        assertEquals(time, Times.ofSeconds(seconds));
    }

    @ParameterizedTest
    @ValueSource(strings = {"NaN", "Infinity", "", "soon", "1e400", "1e999999999", "99999999999999"})
    void what_is_no_time_is_told(String seconds) {
        assertThrows(Unfit.class, () -> Times.ofSeconds(seconds));
    }
}
