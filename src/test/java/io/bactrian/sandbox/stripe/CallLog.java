package io.bactrian.sandbox.stripe;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;

/** The newest API calls, oldest first, at most so many. Thread-safe. */
final class CallLog {

    private final int capacity;
    private final Deque<ApiCall> calls = new ArrayDeque<>();

    CallLog(int capacity) {
        this.capacity = capacity;
    }

    synchronized void add(ApiCall call) {
        if (calls.size() == capacity) {
            calls.removeFirst();
        }
        calls.add(call);
    }

    synchronized List<ApiCall> all() {
        return new ArrayList<>(calls);
    }

    synchronized void clear() {
        calls.clear();
    }
}
