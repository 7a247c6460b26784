package io.bactrian.bench;

import java.sql.SQLException;
import java.util.HashSet;
import java.util.List;

/**
 * How fast a backlog gets into Kafka: from the moment when the capture may begin until Kafka has acknowledged every change and the outbox is
 * empty. While the backlog is made, somebody else seems to hold the drain's lease.
 */
final class CaptureBacklog implements Benchmark {

    private static final int ROWS = 200_000;
    private static final double TARGET = 30_000;

    @Override
    public List<Result> run() throws Exception {
        try (var servers = Servers.start(); var application = Application.start(servers, Application.ONLY_CAPTURE); var changes = new Changes(servers)) {
            int runs = Parameters.runs();
            var inserts = new double[runs];
            var updates = new double[runs];
            var yardstick = new Yardstick(servers, Yardstick.POOL);
            for (int run = 0; run < runs; run++) {
                inserts[run] = rate(servers, changes, """
                        insert into customers (name, email, phone, description, address)
                        select 'Customer ' || n, 'customer' || n || '@example.com', '+4930' || n, 'made by the benchmark',
                               '{"line1": "Unter den Linden 1", "city": "Berlin", "postal_code": "10117", "country": "DE"}'
                          from generate_series(1, %d) n""".formatted(ROWS));
                updates[run] = rate(servers, changes, "update customers set name = name || '!' where id > (select max(id) from customers) - " + ROWS);
                yardstick.measure();
            }
            return List.of(
                    Result.rate("a backlog of inserted rows → Kafka", inserts, yardstick, TARGET, ROWS),
                    Result.rate("a backlog of updated rows → Kafka", updates, yardstick, TARGET, ROWS));
        }
    }

    private static double rate(Servers servers, Changes changes, String sql) throws SQLException {
        servers.execute("""
                insert into sync.drain (instance, leased_until) values ('bench', 'infinity')
                on conflict (singleton) do update set instance = 'bench', leased_until = 'infinity', awake_until = '-infinity'""");
        servers.execute(sql);
        servers.expect("changes in the outbox", ROWS, "select count(*) from sync.outbox");
        servers.execute("vacuum analyze customers");
        long before = changes.total();

        long begin = System.nanoTime();
        servers.execute("with released as (delete from sync.drain) select pg_notify('bactrian', '')");
        servers.awaitEmptyOutbox();
        double seconds = (System.nanoTime() - begin) / 1e9;

        Servers.expect("changes in Kafka", ROWS, changes.total() - before);
        var records = new HashSet<String>();
        for (int seen = 0; seen < ROWS;) {
            for (var change : changes.poll()) {
                records.add(change.key());
                seen++;
            }
        }
        Servers.expect("different records in Kafka", ROWS, records.size());
        return ROWS / seconds;
    }
}
