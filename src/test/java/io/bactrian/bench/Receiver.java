package io.bactrian.bench;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;

/**
 * Who takes webhooks.
 *
 * @param tells whether its answers tell what became of the event
 */
record Receiver(int port, String path, boolean tells) {

    /** How many a second it took, and how long each waited for its answer. */
    record Run(double rate, Latencies latencies) {
    }

    /** An event that is signed, and ready to be sent. */
    private record Request(byte[] bytes, String outcome) {
    }

    /** Sends them over so many connections, on each the next when the last one is answered, and makes sure that each had its outcome. {@code ready} is called before the first is sent. */
    Run send(List<CustomerEvents.Event> events, int connections, Runnable ready) throws Exception {
        var latencies = new Latencies();
        var work = new ArrayList<Callable<Void>>();
        for (int connection = 0; connection < connections; connection++) {
            var requests = new ArrayList<Request>();
            for (int i = connection; i < events.size(); i += connections) {
                requests.add(new Request(events.get(i).request().apply(path), tells ? events.get(i).outcome() : ""));
            }
            work.add(() -> send(requests, latencies));
        }
        var threads = Processors.senders(connections);
        try {
            ready.run();
            long begin = System.nanoTime();
            for (var done : threads.invokeAll(work)) {
                done.get();
            }
            return new Run(events.size() / ((System.nanoTime() - begin) / 1e9), latencies);
        } finally {
            threads.shutdown();
        }
    }

    private Void send(List<Request> requests, Latencies latencies) throws Exception {
        try (var connection = new KeepAliveConnection(port)) {
            for (var request : requests) {
                long begin = System.nanoTime();
                var answer = connection.send(request.bytes);
                latencies.record(System.nanoTime() - begin);
                if (!answer.startsWith("HTTP/1.1 200 ") || !answer.contains(request.outcome)) {
                    throw new IllegalStateException("a webhook that should be " + request.outcome + " was answered " + answer);
                }
            }
        }
        Processors.note();
        return null;
    }
}
