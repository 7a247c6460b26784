package io.bactrian.bench;

import com.fasterxml.jackson.databind.JsonNode;
import java.sql.SQLException;
import java.util.List;
import java.util.Locale;

/**
 * How many invoices a second get from their rows to Stripe, which answers at once: each is inserted with five lines in a transaction of its own, to be open, and is complete when Stripe
 * has its lines and has finalized it, and the row has the number that it got there. Stripe's events about it come back meanwhile. Beside it the processor time of the
 * application and of Postgres, that of these events included.
 */
final class Invoices implements Benchmark {

    private static final int CUSTOMERS = 100;
    private static final int WARM_UP = 50;
    private static final int INVOICES = 200;
    private static final int LINES = 5;

    /** What the lines come to: the first is one for 100, the second two for 200 each, … */
    private static final int TOTAL = 5_500;

    @Override
    public List<Result> run() throws Exception {
        try (var servers = Servers.start(); var application = Application.start(servers, "stripe.rate-limit=10000")) {
            servers.stripe.webhookUrl("http://127.0.0.1:" + application.port() + "/webhooks/stripe");
            servers.execute("insert into customers (name, email) select 'Customer ' || n, 'customer' || n || '@example.com' from generate_series(1, ?) n", CUSTOMERS);
            servers.await(CUSTOMERS, "select count(*) from sync.link where external_id is not null and lease_token is null");
            Parameters.warmUp(() -> bill(servers, WARM_UP));
            awaitEvents(servers);

            int runs = Parameters.runs();
            var rates = new double[runs];
            var yardstick = new Yardstick(servers, Yardstick.POOL);
            var processors = Processors.withoutBroker(servers, application);
            for (int run = 0; run < runs; run++) {
                processors.begin();
                rates[run] = bill(servers, INVOICES);
                awaitEvents(servers);
                processors.end();
                yardstick.measure();
            }
            expectComplete(servers);
            double rate = Result.median(rates);
            return List.of(
                    Result.reported("invoices of five lines reach Stripe", String.format(Locale.ROOT, "%.1f/s", rate), "", INVOICES, runs).beside(yardstick.share(rate)),
                    processors.result("processor time of application and Postgres an invoice", (long) runs * INVOICES, runs));
        }
    }

    private static double bill(Servers servers, int n) throws Exception {
        long complete = servers.number("select count(*) from invoices");
        long begin = System.nanoTime();
        try (var connection = servers.connect(); var insert = connection.prepareStatement("""
                with invoice as (insert into invoices (customer_id, currency, status) values (?, 'EUR', 'open') returning id)
                insert into invoice_items (invoice_id, description, quantity, unit_amount)
                select id, 'line ' || n, n, 100 * n from invoice, generate_series(1, ?) n""")) {
            for (int i = 0; i < n; i++) {
                insert.setLong(1, 1 + i % CUSTOMERS);
                insert.setInt(2, LINES);
                insert.executeUpdate();
            }
        }
        servers.await(complete + n, "select count(*) from invoices where number is not null");
        return n / ((System.nanoTime() - begin) / 1e9);
    }

    /** Returns when the application has taken all that Stripe tells, and has published what came of it. */
    private static void awaitEvents(Servers servers) throws SQLException {
        var pace = new Pace(20);
        for (long deadline = System.nanoTime() + 120_000_000_000L; !servers.stripe.webhooksIdle(); pace.await()) {
            if (System.nanoTime() > deadline) {
                throw new IllegalStateException("there are events after two minutes that nobody has taken");
            }
        }
        servers.awaitEmptyOutbox();
        servers.await(0, "select count(*) from sync.link where lease_token is not null");
    }

    private static void expectComplete(Servers servers) throws SQLException {
        servers.expect("failures", 0, "select count(*) from sync.failure");
        servers.expect("invoices that are open", servers.number("select count(*) from invoices"), "select count(*) from invoices where status = 'open' and total = " + TOTAL);
        var invoices = servers.stripe.dashboard().invoices();
        servers.expect("invoices in Stripe", invoices.size(), "select count(*) from invoices");
        Servers.expect("complete invoices in Stripe", invoices.size(), invoices.stream().filter(Invoices::isComplete).count());
    }

    private static boolean isComplete(JsonNode invoice) {
        return invoice.get("status").asText().equals("open") && invoice.get("total").asLong() == TOTAL && invoice.at("/lines/data").size() == LINES;
    }
}
