package io.bactrian.bench;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;

/**
 * How many differences a second a reconcile mends, from its start to its end, the list of all objects and the comparison included: rows that were edited here and objects that were edited
 * in Stripe, which answers at once, while nobody saw it.
 */
final class Heal implements Benchmark {

    private static final int CUSTOMERS = 2_000;
    private static final int WARM_UP = 600;
    private static final double TARGET = 150;

    @Override
    public List<Result> run() throws Exception {
        try (var servers = Servers.start(); var application = Application.start(servers, "stripe.rate-limit=10000", "reconcile.interval=100")) {
            servers.execute("insert into customers (name, email) select 'Customer ' || n, 'customer' || n || '@example.com' from generate_series(1, ?) n", CUSTOMERS);
            servers.await(CUSTOMERS, "select count(*) from sync.link where external_id is not null and lease_token is null");
            var ids = new ArrayList<String>();
            servers.stripe.dashboard().customers().forEach(customer -> ids.add(customer.get("id").asText()));
            Parameters.warmUp(() -> {
                editHere(servers, WARM_UP);
                heal(servers, WARM_UP);
                editThere(servers, ids, WARM_UP);
                heal(servers, WARM_UP);
            });

            var here = new double[Parameters.runs()];
            var there = new double[here.length];
            var yardstick = new Yardstick(servers, Yardstick.POOL);
            for (int run = 0; run < here.length; run++) {
                editHere(servers, CUSTOMERS);
                here[run] = heal(servers, CUSTOMERS);
                editThere(servers, ids, CUSTOMERS);
                there[run] = heal(servers, CUSTOMERS);
                yardstick.measure();
            }
            return List.of(
                    Result.rate("differences that heal, of rows that were edited here", here, yardstick, TARGET, CUSTOMERS),
                    Result.rate("differences that heal, of objects that were edited in Stripe", there, yardstick, TARGET, CUSTOMERS));
        }
    }

    private static void editHere(Servers servers, int n) throws Exception {
        servers.execute("alter table customers disable trigger sync_capture_update");
        servers.execute("update customers set description = 'here ' || gen_random_uuid() where id <= (select min(id) from customers) + ? - 1", n);
        servers.execute("alter table customers enable always trigger sync_capture_update");
    }

    private static void editThere(Servers servers, List<String> ids, int n) {
        for (int i = 0; i < n; i++) {
            servers.stripe.dashboard().updateCustomer(ids.get(i), Map.of("description", "there " + System.nanoTime()));
        }
    }

    private static double heal(Servers servers, int n) throws Exception {
        servers.execute("update sync.link set last_event_at = last_event_at - interval '1 minute'"); // who was seen just now is not compared by the list
        servers.execute("select sync.reconcile('stripe', 'customers', 'heal')");
        servers.await(0, "select count(*) from sync.run where state <> 'done'");
        servers.expect("mended differences", n, "select (counts ->> 'mended')::bigint from sync.run order by id desc limit 1");
        servers.expect("failures", 0, "select count(*) from sync.failure");
        expectEqualSides(servers);
        return n / (servers.number("select extract(epoch from finished_at - started_at) * 1000 from sync.run order by id desc limit 1") / 1e3);
    }

    private static void expectEqualSides(Servers servers) throws Exception {
        var there = new HashMap<String, String>();
        for (JsonNode customer : servers.stripe.dashboard().customers()) {
            there.put(customer.get("id").asText(), customer.path("description").asText(""));
        }
        var different = new HashSet<String>();
        try (var connection = servers.connect(); var statement = connection.createStatement();
                var rows = statement.executeQuery("select l.external_id, coalesce(c.description, '') from customers c join sync.link l on l.record_id = c.id::text")) {
            while (rows.next()) {
                if (!rows.getString(2).equals(there.get(rows.getString(1)))) {
                    different.add(rows.getString(1));
                }
            }
        }
        Servers.expect("customers that still differ", 0, different.size());
    }
}
