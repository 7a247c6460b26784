package io.bactrian.bench;

import java.time.Instant;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.function.Function;

/**
 * Stripe's events about customers, in an order in which Stripe may send them: each customer is created, and some time later its name is changed. When as many of each load
 * have come as of the others, every customer has been changed once.
 */
final class CustomerEvents {

    /** What is sent at the same time: new customers, half of each, or changes of customers who are there. In this order. */
    enum Load { CREATED, MIXED, UPDATED }

    /**
     * One event.
     *
     * @param outcome what the application's answer to it contains
     * @param request to be written to a connection, made for the path where it goes
     */
    record Event(String outcome, Function<String, byte[]> request) {
    }

    private final long time = Instant.now().getEpochSecond() - 1_000_000;
    private final Deque<Integer> unchanged = new ArrayDeque<>();
    private int customers;
    private long events;

    /** The next so many. No two of one load are about the same customer. */
    List<Event> next(Load load, int n) {
        var next = new ArrayList<Event>(n);
        for (int i = 0; i < n; i++) {
            next.add(load == Load.CREATED || load == Load.MIXED && i % 2 == 0 ? created() : updated());
        }
        events += n;
        return next;
    }

    /** Makes sure that each had its effect. */
    void expectApplied(Servers servers) throws Exception {
        Servers.expect("customers whose name was not changed", 0, unchanged.size());
        servers.expect("customers", customers, "select count(*) from customers");
        servers.expect("rows with the last name", customers, "select count(*) from customers where name = description || ' ' || email || ' v1'");
        servers.expect("events in the ledger", events, "select count(*) from sync.event");
    }

    private Event created() {
        int customer = customers++;
        unchanged.add(customer);
        return new Event("\"created\"", path -> StripeEvents.created(path, customer, name(customer, 0), time));
    }

    private Event updated() {
        int customer = unchanged.remove();
        return new Event("\"applied\"", path -> StripeEvents.updated(path, customer, name(customer, 1), name(customer, 0), 1, time + 1));
    }

    private static String name(int customer, int version) {
        return "made by the benchmark customer%d@example.com v%d".formatted(customer, version);
    }
}
