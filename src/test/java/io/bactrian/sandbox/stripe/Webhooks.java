package io.bactrian.sandbox.stripe;

import com.fasterxml.jackson.databind.node.ArrayNode;
import io.vertx.core.Context;
import io.vertx.core.Future;
import io.vertx.core.Vertx;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.HttpClient;
import io.vertx.core.http.HttpClientOptions;
import io.vertx.core.http.HttpMethod;
import io.vertx.core.http.RequestOptions;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashMap;
import java.util.Map;

/**
 * Delivers events to webhook endpoints at least once: signed, many at a time, those of one object in order when nothing disturbs, and again
 * after 0.2 s doubling to 10 s until a 2xx answers, for three days.
 *
 * @see <a href="https://docs.stripe.com/webhooks">Webhooks</a>; Stripe itself retries within minutes to hours and promises no order
 */
final class Webhooks implements Account.Courier {

    private static final int RETRY_FIRST_MS = 200;
    private static final int RETRY_MAX_MS = 10_000;
    private static final long RETRY_SECONDS = 3L * 24 * 3600;
    private static final int TIMEOUT_MS = 10_000;
    private static final int DISORDER_MS = 300;
    private static final int REMEMBERED = 200;

    /** The deliveries to one endpoint. */
    private static final class Line {
        private final Deque<Delivery> ready = new ArrayDeque<>();
        private final Map<String, Deque<Delivery>> lanes = new HashMap<>();
        private int inFlight;
    }

    private final Vertx vertx;
    private final Context context;
    private final Account account;
    private final Faults faults;
    private final int concurrency;
    private final HttpClient client;
    private final Map<String, Line> lines = new HashMap<>();
    private final Deque<Delivery> recent = new ArrayDeque<>();
    private int unfinished;
    private boolean closed;

    /** @param concurrency how many webhooks may be under way to one endpoint */
    Webhooks(Vertx vertx, Account account, Faults faults, int concurrency) {
        this.vertx = vertx;
        this.context = vertx.getOrCreateContext();
        this.account = account;
        this.faults = faults;
        this.concurrency = concurrency;
        this.client = vertx.createHttpClient(new HttpClientOptions().setMaxPoolSize(concurrency).setConnectTimeout(TIMEOUT_MS));
    }

    @Override
    public synchronized void deliver(String endpoint, Stored event) {
        if (faults.strikes(Fault.WEBHOOK_LOST)) {
            var lost = new Delivery(event, endpoint, false, null);
            change(lost, Delivery.Status.LOST, "lost on purpose");
            remember(lost);
            account.settle(event.id(), endpoint, false);
            return;
        }
        var shuffled = faults.strikes(Fault.WEBHOOK_SHUFFLED);
        var delay = faults.webhookDelay() + (shuffled ? faults.below(DISORDER_MS) : 0);
        var inLane = !shuffled && delay == 0 && event.subject() != null;
        add(new Delivery(event, endpoint, false, inLane ? event.subject() : null), delay);
        if (faults.strikes(Fault.WEBHOOK_DUPLICATED)) {
            add(new Delivery(event, endpoint, true, null), delay + faults.below(DISORDER_MS));
        }
    }

    /** Whether nothing is pending, scheduled or in flight. */
    synchronized boolean idle() {
        return unfinished == 0;
    }

    /** The newest deliveries, newest first, as the page shows them. */
    synchronized ArrayNode toJson(int limit) {
        var array = Json.MAPPER.createArrayNode();
        var newest = recent.descendingIterator();
        while (newest.hasNext() && array.size() < limit) {
            var delivery = newest.next();
            array.addObject()
                    .put("event", delivery.event.id())
                    .put("type", delivery.event.keys().get("type"))
                    .put("object", delivery.event.subject())
                    .put("endpoint", delivery.endpoint)
                    .put("status", delivery.status.name().toLowerCase(java.util.Locale.ROOT))
                    .put("duplicate", delivery.duplicate)
                    .put("attempts", delivery.attempts)
                    .put("outcome", delivery.outcome)
                    .put("next_attempt", delivery.nextAttempt == null ? null : delivery.nextAttempt.toString())
                    .put("changed", delivery.changed.toString());
        }
        return array;
    }

    Future<Void> close() {
        synchronized (this) {
            closed = true;
        }
        return client.close();
    }

    private void add(Delivery delivery, int delayMs) {
        unfinished++;
        remember(delivery);
        if (delayMs > 0) {
            vertx.setTimer(delayMs, timer -> enqueue(delivery));
        } else {
            enqueue(delivery);
        }
    }

    private synchronized void enqueue(Delivery delivery) {
        var line = lines.computeIfAbsent(delivery.endpoint, endpoint -> new Line());
        if (delivery.lane != null && delivery.attempts == 0) {
            var ahead = line.lanes.get(delivery.lane);
            if (ahead != null) {
                ahead.add(delivery);
                return;
            }
            line.lanes.put(delivery.lane, new ArrayDeque<>());
        }
        line.ready.add(delivery);
        pump(line);
    }

    private void pump(Line line) {
        while (!closed && line.inFlight < concurrency && !line.ready.isEmpty()) {
            var delivery = line.ready.poll();
            line.inFlight++;
            context.runOnContext(nothing -> send(delivery));
        }
    }

    private void send(Delivery delivery) {
        var endpoint = account.endpoints.get(delivery.endpoint);
        if (endpoint == null) {
            finish(delivery, Delivery.Status.FAILED, "the endpoint is gone");
            return;
        }
        synchronized (this) {
            delivery.attempts++;
            change(delivery, Delivery.Status.SENDING, delivery.outcome);
        }
        var body = account.sent(delivery.event);
        Future<Integer> answer;
        try {
            answer = client.request(new RequestOptions().setMethod(HttpMethod.POST).setAbsoluteURI(endpoint.url()).setIdleTimeout(TIMEOUT_MS))
                    .compose(request -> request
                            .putHeader("Content-Type", "application/json; charset=utf-8")
                            .putHeader("User-Agent", "Stripe/1.0 (simulator)")
                            .putHeader("Stripe-Signature", Signature.header(account.now(), body, endpoint.secrets()))
                            .send(Buffer.buffer(body)))
                    .compose(response -> response.body().map(ignored -> response.statusCode()));
        } catch (RuntimeException e) {
            answer = Future.failedFuture(e);
        }
        answer.onComplete(done -> {
            if (done.succeeded() && done.result() / 100 == 2) {
                finish(delivery, Delivery.Status.SUCCEEDED, "HTTP " + done.result());
            } else {
                again(delivery, done.succeeded() ? "HTTP " + done.result() : String.valueOf(done.cause().getMessage()));
            }
        });
    }

    private void again(Delivery delivery, String outcome) {
        if (delivery.duplicate || account.now() - delivery.event.created() > RETRY_SECONDS) {
            finish(delivery, Delivery.Status.FAILED, outcome);
            return;
        }
        synchronized (this) {
            if (closed) {
                return;
            }
            var wait = (int) Math.min(RETRY_MAX_MS, (long) RETRY_FIRST_MS << Math.min(delivery.attempts - 1, 10));
            change(delivery, Delivery.Status.RETRYING, outcome);
            delivery.nextAttempt = Instant.now().plusMillis(wait);
            leaveLine(delivery);
            vertx.setTimer(wait, timer -> enqueue(delivery));
        }
    }

    private void finish(Delivery delivery, Delivery.Status status, String outcome) {
        if (!delivery.duplicate) {
            account.settle(delivery.event.id(), delivery.endpoint, status == Delivery.Status.SUCCEEDED);
        }
        synchronized (this) {
            change(delivery, status, outcome);
            unfinished--;
            leaveLine(delivery);
        }
    }

    /** Frees the place of a delivery, and lets the next one of its lane go once the first attempt is over. */
    private void leaveLine(Delivery delivery) {
        var line = lines.get(delivery.endpoint);
        line.inFlight--;
        if (delivery.lane != null && delivery.attempts <= 1) {
            var behind = line.lanes.get(delivery.lane);
            if (behind.isEmpty()) {
                line.lanes.remove(delivery.lane);
            } else {
                line.ready.add(behind.poll());
            }
        }
        pump(line);
    }

    private void remember(Delivery delivery) {
        if (recent.size() == REMEMBERED) {
            recent.removeFirst();
        }
        recent.add(delivery);
    }

    private static void change(Delivery delivery, Delivery.Status status, String outcome) {
        delivery.status = status;
        delivery.outcome = outcome;
        delivery.nextAttempt = null;
        delivery.changed = Instant.now();
    }
}
