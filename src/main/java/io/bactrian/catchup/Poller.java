package io.bactrian.catchup;

import com.fasterxml.jackson.databind.JsonNode;
import io.bactrian.catchup.Polls.Look;
import io.bactrian.sync.Failures;
import javax.sql.DataSource;
import org.apache.camel.CamelContext;
import org.apache.camel.CamelContextAware;
import org.apache.camel.Exchange;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Finds events whose webhooks were lost: reads what is new in a system's list of events, and applies what is not in the ledger. One instance at a time; what cannot
 * be applied now does not move the position, so the next look finds it again.
 *
 * <p>The system has two routes, which get the variables system and background. {@code direct:events-<prefix>} reads a page, the oldest events first: it gets since, in
 * seconds by the system's clock, and next, what it said with the page before; its answer is {@code {data, next, reached}}, each event with {@code id}, next null after
 * the last page, reached the time of the newest event; the variable at. A page without events that has a next is one on the way to the oldest. {@code
 * direct:take-<prefix>} applies an array of events in their order, and answers whether one of them must wait.
 */
public final class Poller implements CamelContextAware {

    private static final Logger LOG = LoggerFactory.getLogger(Poller.class);

    private DataSource dataSource;
    private Rounds rounds;
    private Failures failures;
    private CamelContext camel;
    private Machinery machinery;

    /** What can only be had once the routes are known. */
    private record Machinery(Polls polls, Routes routes) {
    }

    /** A page of events; {@code at} as {@link Listing} has it. */
    private record Page(JsonNode events, String next, Long reached, long at) {

        /** Whether the events begin further on. */
        boolean isBefore() {
            return events.isEmpty() && next != null;
        }
    }

    /**
     * Looks once for events of each system of that prefix, at all of them at once.
     *
     * @param overlap how far to look behind the last look, for events show late, and several share a second: an interval as Postgres reads it, such as 2 minutes
     * @param kept how long such a system keeps events, the same
     * @param exchange any of the route that asks for it
     */
    public void poll(String prefix, String overlap, String kept, Exchange exchange) {
        for (var system : rounds.of(prefix)) {
            rounds.begin(exchange, "the poll of " + system.name(), () -> look(prefix, system.name(), overlap, kept));
        }
    }

    private void look(String prefix, String system, String overlap, String kept) {
        try {
            var look = machinery().polls.begin(system, overlap, kept).orElse(null);
            if (look != null) {
                read(look, prefix);
            }
        } catch (Exception e) {
            var refusal = failures.refusal(system, e);
            LOG.warn("{}: its events cannot be read or applied now, the next look goes on where this one stopped: {}", system, refusal.reason());
            if (refusal.isDenied()) {
                machinery().polls.deny(system, refusal);
            }
        }
    }

    /** One page is in memory, however many events there are, and the position moves with each. */
    private void read(Look look, String prefix) throws Exception {
        var polls = machinery().polls;
        var page = page(look, prefix, null);
        long begun = page.at();
        while (page.isBefore()) {
            polls.advance(look, null);
            page = page(look, prefix, page.next());
        }
        if (begun > look.keptUntil()) {
            LOG.warn("{} may have forgotten events that were not read in time; a reconcile finds what else has changed", look.system());
            polls.reconcile(look.system());
        }
        boolean late = take(look, prefix, page);
        polls.advance(look, late ? null : page.reached());
        while (page.next() != null) {
            page = page(look, prefix, page.next());
            late |= take(look, prefix, page);
            polls.advance(look, late ? null : page.reached());
        }
        if (!late) {
            polls.advance(look, begun);
        }
    }

    private Page page(Look look, String prefix, String next) throws Exception {
        var exchange = machinery().routes.exchange(look.system());
        exchange.setVariable("since", look.since());
        exchange.setVariable("next", next);
        machinery().routes.send("events-" + prefix, exchange);
        var page = exchange.getMessage().getBody(JsonNode.class);
        return new Page(page.path("data"), page.path("next").asText(null), page.hasNonNull("reached") ? page.get("reached").asLong() : null,
                exchange.getVariable("at", Long.class));
    }

    /** Applies what is not in the ledger, and says whether one of them must wait: the others do not wait for it. */
    private boolean take(Look look, String prefix, Page page) throws Exception {
        var exchange = machinery().routes.exchange(look.system());
        exchange.getMessage().setBody(machinery().polls.unknown(look, page.events()));
        machinery().routes.send("take-" + prefix, exchange);
        return exchange.getMessage().getBody(Boolean.class);
    }

    public void setDataSource(DataSource dataSource) {
        this.dataSource = dataSource;
    }

    /** Begins the looks. */
    public void setRounds(Rounds rounds) {
        this.rounds = rounds;
    }

    /** Tells what a refusal means. */
    public void setFailures(Failures failures) {
        this.failures = failures;
    }

    private synchronized Machinery machinery() {
        if (machinery == null) {
            machinery = new Machinery(new Polls(dataSource, camel), new Routes(camel));
        }
        return machinery;
    }

    @Override
    public CamelContext getCamelContext() {
        return camel;
    }

    @Override
    public void setCamelContext(CamelContext camelContext) {
        camel = camelContext;
    }
}
