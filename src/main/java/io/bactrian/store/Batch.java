package io.bactrian.store;

import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.Executor;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;

/**
 * Gathers what comes while the last batch is under way, and hands it on as one, in the order in which it came. What comes alone does not wait; the
 * busier it is, the larger batches get.
 *
 * @param <T> what comes
 * @param <R> what becomes of each
 */
final class Batch<T, R> {

    /**
     * One of a batch.
     *
     * @param since when it came, by {@link System#nanoTime}
     * @param result to be completed by the handler
     */
    record Entry<T, R>(T item, long since, CompletableFuture<R> result) {
    }

    private final Queue<Entry<T, R>> queue = new ConcurrentLinkedQueue<>();
    private final AtomicInteger workers = new AtomicInteger();
    private final Executor executor;
    private final int maxWorkers;
    private final int limit;
    private final Consumer<List<Entry<T, R>>> handler;

    /**
     * @param maxWorkers how many batches may be under way at once; order is kept when it is one
     * @param limit how many come into a batch at most
     * @param handler completes each entry, now or later. What it throws becomes the result of those that are not complete then
     */
    Batch(Executor executor, int maxWorkers, int limit, Consumer<List<Entry<T, R>>> handler) {
        this.executor = executor;
        this.maxWorkers = maxWorkers;
        this.limit = limit;
        this.handler = handler;
    }

    /** Returns at once. The result fails with whatever the handler threw, and when there is no thread for it because all ends. */
    CompletableFuture<R> add(T item) {
        var entry = new Entry<T, R>(item, System.nanoTime(), new CompletableFuture<>());
        add(entry);
        return entry.result;
    }

    /** The same for an entry of another batch, which is to have its result by this one. */
    void add(Entry<T, R> entry) {
        queue.add(entry);
        begin();
    }

    private void begin() {
        int busy = workers.get();
        while (busy < maxWorkers && !queue.isEmpty()) {
            if (workers.compareAndSet(busy, busy + 1)) {
                try {
                    executor.execute(this::work);
                } catch (RuntimeException | OutOfMemoryError e) { // rejected: it ends; or no thread can be made
                    workers.decrementAndGet();
                    fail(next(Integer.MAX_VALUE), e);
                }
                return;
            }
            busy = workers.get();
        }
    }

    private void work() {
        try {
            for (var batch = next(limit); !batch.isEmpty(); batch = next(limit)) {
                try {
                    handler.accept(batch);
                } catch (Throwable e) {
                    fail(batch, e);
                }
            }
        } finally {
            workers.decrementAndGet();
            begin(); // something may have come after the last look
        }
    }

    private List<Entry<T, R>> next(int max) {
        var batch = new ArrayList<Entry<T, R>>();
        for (var entry = queue.poll(); entry != null; entry = batch.size() < max ? queue.poll() : null) {
            batch.add(entry);
        }
        return batch;
    }

    private static <T, R> void fail(List<Entry<T, R>> batch, Throwable reason) {
        batch.forEach(entry -> entry.result.completeExceptionally(reason));
    }
}
