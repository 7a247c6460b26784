package io.bactrian;

import io.bactrian.sandbox.stripe.Fault;
import io.bactrian.sandbox.stripe.Faults;
import java.io.IOException;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.function.BiConsumer;

/**
 * What fails around the application, another thing every few seconds: Postgres crashes and comes back, so does the broker, Stripe answers
 * with errors, late or not at all, and webhooks come twice, late, in any order or never.
 */
final class Weather implements AutoCloseable {

    private static final List<Fault> FAULTS_OF_CALLS = List.of(Fault.TOO_MANY_REQUESTS, Fault.LOCK_TIMEOUT, Fault.SERVER_ERROR,
            Fault.RESET_BEFORE_COMMIT, Fault.RESET_AFTER_COMMIT, Fault.HANG_AFTER_COMMIT);

    private final TwoSides sides;
    private final Random random;
    private final Faults stripe;
    private final CountDownLatch end = new CountDownLatch(1);
    private final ExecutorService thread = Executors.newSingleThreadExecutor();
    private final Future<Void> storm;
    private int postgresCrashes;
    private int kafkaKills;
    private int stripeOutages;

    /** Begins at once. */
    Weather(TwoSides sides, long seed) {
        this.sides = sides;
        this.random = new Random(seed);
        this.stripe = sides.stripe().faults().seed(seed);
        storm = thread.submit(this::storm);
    }

    private Void storm() throws InterruptedException, IOException {
        do {
            changeStripe();
            switch (random.nextInt(10)) {
                case 0, 1 -> crashPostgres();
                case 2 -> killKafka();
                default -> { }
            }
        } while (!endsWithin(2000 + random.nextInt(6000)));
        return null;
    }

    private void changeStripe() {
        FAULTS_OF_CALLS.forEach(fault -> stripe.probability(fault, List.of(0.0, 0.01, 0.05).get(random.nextInt(3))));
        if (random.nextInt(20) == 0) {
            stripe.probability(Fault.SERVER_ERROR, 1);
            stripeOutages++;
        }
        stripe.webhookDelay(0, List.of(0, 150, 3000).get(random.nextInt(3)))
                .probability(Fault.WEBHOOK_DUPLICATED, 0.1)
                .probability(Fault.WEBHOOK_SHUFFLED, 0.2)
                .probability(Fault.WEBHOOK_LOST, 0.05);
    }

    private void crashPostgres() throws InterruptedException {
        sides.postgres().stop();
        try {
            endsWithin(random.nextInt(3000));
        } finally {
            sides.postgres().start();
        }
        postgresCrashes++;
    }

    private void killKafka() throws InterruptedException, IOException {
        sides.kafka().kill();
        try {
            endsWithin(random.nextInt(3000));
        } finally {
            sides.kafka().start();
            sides.kafka().awaitReady(); // or it would be killed again and again while it starts, and never be there
        }
        kafkaKills++;
    }

    private boolean endsWithin(int milliseconds) throws InterruptedException {
        return end.await(milliseconds, TimeUnit.MILLISECONDS);
    }

    /** Ends it: from here on everything is there, and does what it should. */
    void calm() throws InterruptedException, ExecutionException {
        end.countDown();
        storm.get();
        stripe.clear();
    }

    /** Tells what happened, and how often. */
    void tell(BiConsumer<String, Object> each) {
        each.accept("crashes of Postgres (stop -m immediate)", postgresCrashes);
        each.accept("crashes of the broker (kill -9)", kafkaKills);
        each.accept("outages of Stripe (500 for everything)", stripeOutages);
        each.accept("calls answered 429", stripe.struck(Fault.TOO_MANY_REQUESTS) + stripe.struck(Fault.LOCK_TIMEOUT));
        each.accept("calls answered 500", stripe.struck(Fault.SERVER_ERROR));
        each.accept("connections reset before the commit", stripe.struck(Fault.RESET_BEFORE_COMMIT));
        each.accept("connections reset after the commit", stripe.struck(Fault.RESET_AFTER_COMMIT));
        each.accept("time-outs after the commit", stripe.struck(Fault.HANG_AFTER_COMMIT));
        each.accept("webhooks lost", stripe.struck(Fault.WEBHOOK_LOST));
        each.accept("webhooks doubled", stripe.struck(Fault.WEBHOOK_DUPLICATED));
        each.accept("webhooks shuffled", stripe.struck(Fault.WEBHOOK_SHUFFLED));
        each.accept("webhooks delayed, for up to 3 s", stripe.webhooksDelayed());
    }

    @Override
    public void close() throws InterruptedException, ExecutionException {
        calm();
        thread.shutdown();
    }
}
