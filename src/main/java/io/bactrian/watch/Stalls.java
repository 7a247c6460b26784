package io.bactrian.watch;

import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import java.util.stream.Stream;

/** For how long the front of each queue of work has been the same. */
final class Stalls {

    private final Map<String, Map<Work, Long>> seen = new ConcurrentHashMap<>();
    private final LongSupplier nanoTime;

    /** @param nanoTime a clock, as {@link System#nanoTime()} */
    Stalls(LongSupplier nanoTime) {
        this.nanoTime = nanoTime;
    }

    /** One queue, and the seconds for which its front has been the same. */
    record Stall(Work work, long seconds) {
    }

    /**
     * Takes note of the work there is.
     *
     * @param source who says so: what it said before is forgotten
     */
    void note(String source, Collection<Work> works) {
        var before = seen.getOrDefault(source, Map.of());
        var now = new HashMap<Work, Long>();
        works.forEach(work -> now.put(work, before.getOrDefault(work, nanoTime.getAsLong())));
        seen.put(source, now);
    }

    /** All queues where something waits. */
    List<Stall> all() {
        return seen.values().stream().flatMap(this::stalls).toList();
    }

    private Stream<Stall> stalls(Map<Work, Long> works) {
        long now = nanoTime.getAsLong();
        return works.entrySet().stream().map(entry -> new Stall(entry.getKey(), TimeUnit.NANOSECONDS.toSeconds(now - entry.getValue())));
    }
}
