package io.bactrian.watch;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.bactrian.watch.Stalls.Stall;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

class StallsTest {

    private static final Work FIRST = new Work("retries", "stripe", "customers", "1");
    private static final Work SECOND = new Work("retries", "stripe", "customers", "2");

    private final AtomicLong seconds = new AtomicLong();
    private final Stalls stalls = new Stalls(() -> TimeUnit.SECONDS.toNanos(seconds.get()));

    @Test
    void a_front_that_stays_is_counted_from_when_it_was_first_seen() {
        stalls.note("postgres", List.of(FIRST));
        seconds.set(7);
        stalls.note("postgres", List.of(FIRST));
        assertEquals(List.of(new Stall(FIRST, 7)), stalls.all());
    }

    @Test
    void a_front_that_changes_is_counted_anew() {
        stalls.note("postgres", List.of(FIRST));
        seconds.set(7);
        stalls.note("postgres", List.of(SECOND));
        assertEquals(List.of(new Stall(SECOND, 0)), stalls.all());
        stalls.note("postgres", List.of());
        assertEquals(List.of(), stalls.all());
    }

    @Test
    void what_one_source_says_does_not_touch_what_another_said() {
        stalls.note("postgres", List.of(FIRST));
        seconds.set(7);
        stalls.note("kafka", List.of());
        assertEquals(List.of(new Stall(FIRST, 7)), stalls.all());
    }
}
