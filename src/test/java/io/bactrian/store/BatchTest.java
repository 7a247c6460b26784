package io.bactrian.store;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class BatchTest {

    private final ExecutorService threads = Executors.newCachedThreadPool();
    private final List<List<Integer>> batches = Collections.synchronizedList(new ArrayList<>());

    @AfterEach
    void end() {
        threads.shutdownNow();
    }

    @Test
    void what_comes_alone_is_handed_on_at_once() {
        var batch = new Batch<Integer, Integer>(threads, 1, 10, this::square);
        assertEquals(9, batch.add(3).join());
        assertEquals(List.of(List.of(3)), batches);
    }

    @Test
    void what_comes_while_another_is_under_way_is_handed_on_together_and_in_order() {
        var first = new CountDownLatch(1);
        var batch = new Batch<Integer, Integer>(threads, 1, 10, entries -> {
            await(first);
            square(entries);
        });
        var begun = batch.add(0);
        var results = IntStream.rangeClosed(1, 25).mapToObj(batch::add).toList();
        first.countDown();
        begun.join();
        assertEquals(IntStream.rangeClosed(1, 25).map(n -> n * n).boxed().toList(), results.stream().map(CompletableFuture::join).toList());
        assertEquals(IntStream.rangeClosed(0, 25).boxed().toList(), batches.stream().flatMap(List::stream).toList());
        assertTrue(batches.stream().allMatch(one -> one.size() <= 10) && batches.size() <= 5, batches::toString);
    }

    @Test
    void what_is_thrown_is_the_result_of_its_batch_only() {
        var batch = new Batch<Integer, Integer>(threads, 1, 1, entries -> {
            if (entries.get(0).item() == 2) {
                throw new IllegalStateException("two");
            }
            square(entries);
        });
        var results = IntStream.rangeClosed(1, 3).mapToObj(batch::add).toList();
        assertEquals(1, results.get(0).join());
        assertEquals("two", assertThrows(CompletionException.class, results.get(1)::join).getCause().getMessage());
        assertEquals(9, results.get(2).join());
    }

    @Test
    void no_more_batches_are_under_way_than_allowed() {
        var go = new CountDownLatch(1);
        var both = new CountDownLatch(2);
        var batch = new Batch<Integer, Integer>(threads, 2, 1, entries -> {
            both.countDown();
            await(go);
            square(entries);
        });
        var results = IntStream.rangeClosed(1, 6).mapToObj(batch::add).toList();
        await(both);
        assertEquals(List.of(), batches);
        go.countDown();
        assertEquals(List.of(1, 4, 9, 16, 25, 36), results.stream().map(CompletableFuture::join).toList());
    }

    @Test
    void whoever_comes_after_the_end_is_told() {
        threads.shutdown();
        var result = new Batch<Integer, Integer>(threads, 1, 10, this::square).add(1);
        assertTrue(assertThrows(CompletionException.class, result::join).getCause() instanceof RejectedExecutionException);
    }

    @Test
    void nothing_is_left_behind_however_many_come_from_everywhere() throws Exception {
        var batch = new Batch<Integer, Integer>(threads, 2, 7, this::square);
        var callers = IntStream.range(0, 8).mapToObj(caller -> threads.submit(() -> IntStream.range(0, 500).map(n -> batch.add(n).join()).sum())).toList();
        int expected = IntStream.range(0, 500).map(n -> n * n).sum();
        for (var caller : callers) {
            assertEquals(expected, caller.get());
        }
        assertEquals(4000, batches.stream().mapToInt(List::size).sum());
    }

    private void square(List<Batch.Entry<Integer, Integer>> entries) {
        batches.add(entries.stream().map(Batch.Entry::item).toList());
        entries.forEach(entry -> entry.result().complete(entry.item() * entry.item()));
    }

    private static void await(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }
}
