package io.bactrian.sync;

import java.util.ArrayDeque;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Queue;

/**
 * A queue in which groups take turns: a group of one does not wait for one of ten thousand. Within a group, first come, first served.
 *
 * @param <T> what waits
 */
final class Turns<T> {

    private final Map<Object, Queue<T>> groups = new LinkedHashMap<>();

    synchronized void add(Object group, T item) {
        groups.computeIfAbsent(group, key -> new ArrayDeque<>()).add(item);
    }

    /** Whose turn it is; null when nobody waits. */
    synchronized T poll() {
        Iterator<Map.Entry<Object, Queue<T>>> all = groups.entrySet().iterator();
        if (!all.hasNext()) {
            return null;
        }
        var first = all.next();
        all.remove();
        var item = first.getValue().poll();
        if (!first.getValue().isEmpty()) {
            groups.put(first.getKey(), first.getValue());
        }
        return item;
    }
}
