package io.bactrian.store;

import com.fasterxml.jackson.databind.JsonNode;
import io.bactrian.state.States;
import io.bactrian.store.Batch.Entry;
import io.bactrian.store.HubTransaction.Fault;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.concurrent.CompletionException;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import java.util.function.Function;
import javax.sql.DataSource;
import org.springframework.jdbc.core.JdbcTemplate;
import org.springframework.jdbc.support.JdbcTransactionManager;
import org.springframework.transaction.TransactionStatus;
import org.springframework.transaction.support.TransactionTemplate;

/**
 * Decides about records that may have to be written, or were: those that are to be decided at the same time share a transaction, which loads what is known of all of them, and
 * stores what follows, by one statement each. A batch waits for a lock no longer than a moment; when Postgres does not take all of it, each is decided by itself.
 */
public final class OutboundBatch {

    private static final int LIMIT = 32;
    /** So many batches are under way at once. */
    private static final int WORKERS = 2;
    private static final Duration A_MOMENT = Duration.ofMillis(20);
    private static final Object BY_ITSELF = new Object();

    /**
     * A record about which is to be decided.
     *
     * @param token of the claim that ends; null for one that begins
     * @param externalId the object that the answer tells of, or null
     * @param row whether the row is to be read
     * @param decision its result is that of {@link #decide}
     */
    public record Request(String system, String entity, String recordId, List<String> fields, Long token, String externalId, boolean row,
            Function<RecordTransaction, Object> decision) {
    }

    private final JdbcTemplate postgres;
    private final TransactionTemplate transactions;
    private final String lease;
    private final Duration patience;
    private final Batch<Request, Object> together;

    /**
     * @param lease how long a claim holds, as Postgres spells intervals
     * @param patience how long others' locks are waited for
     */
    public OutboundBatch(DataSource postgres, Executor executor, String lease, Duration patience) {
        this.postgres = new JdbcTemplate(postgres);
        transactions = new TransactionTemplate(new JdbcTransactionManager(postgres));
        this.lease = lease;
        this.patience = patience;
        together = new Batch<>(executor, WORKERS, LIMIT, this::decideTogether);
    }

    /** Decides about a record; the result is that of its decision, after the commit. It fails as that does, or as Postgres. */
    @SuppressWarnings("unchecked")
    public <T> T decide(Request request) {
        // A call that failed may lock what all calls of its system need; and parts concern other records, perhaps of the same batch.
        var result = request.row && !States.haveParts(request.fields) ? inCompany(request) : BY_ITSELF;
        return (T) (result == BY_ITSELF ? decide(List.of(request), true).get(0) : result);
    }

    private Object inCompany(Request request) {
        try {
            return together.add(request).join();
        } catch (CompletionException e) {
            if (e.getCause() instanceof RejectedExecutionException) { // it ends
                return BY_ITSELF;
            }
            throw e.getCause() instanceof RuntimeException failure ? failure : e;
        }
    }

    private void decideTogether(List<Entry<Request, Object>> batch) {
        var first = new ArrayList<Entry<Request, Object>>();
        var others = new ArrayList<Entry<Request, Object>>(); // they would not see what is decided about their records before
        var records = new HashSet<String>();
        for (var entry : batch) {
            (records.add(entry.item().system + "/" + entry.item().entity + "/" + entry.item().recordId) ? first : others).add(entry);
        }
        try {
            var results = decide(first.stream().map(Entry::item).toList(), false);
            for (int i = 0; i < results.size(); i++) {
                first.get(i).result().complete(results.get(i));
            }
        } catch (RuntimeException e) {
            boolean away = Fault.isAway(e);
            first.forEach(entry -> {
                if (away) {
                    entry.result().completeExceptionally(e);
                } else {
                    entry.result().complete(BY_ITSELF);
                }
            });
        }
        others.forEach(entry -> entry.result().complete(BY_ITSELF));
    }

    private List<Object> decide(List<Request> requests, boolean byItself) {
        return transactions.execute(status -> decide(requests, byItself, status));
    }

    private List<Object> decide(List<Request> requests, boolean byItself, TransactionStatus status) {
        // Of a call that failed nothing is read, and it is kept however long that takes.
        var known = load(requests, byItself ? requests.get(0).row ? patience : Duration.ZERO : A_MOMENT);
        var stored = new StoredRecords(postgres);
        var results = new ArrayList<>();
        for (int i = 0; i < requests.size(); i++) {
            results.add(requests.get(i).decision.apply(new RecordTransaction(postgres, status, requests.get(i), known.get(i), stored, byItself)));
        }
        stored.flush();
        return results;
    }

    private List<JsonNode> load(List<Request> requests, Duration patience) {
        var known = new JsonNode[requests.size()];
        postgres.query(connection -> {
            // In one order everywhere, or two would wait for each other.
            var statement = connection.prepareStatement("select u.n, sync.load_record(u.system, u.entity, u.record_id, u.token, u.external_id, ?::interval, ?, u.row)::text as known"
                    + " from (select * from unnest(?, ?, ?, ?, ?, ?) with ordinality q(system, entity, record_id, token, external_id, row, n) order by q.entity, q.record_id, q.system) u");
            statement.setString(1, lease);
            statement.setString(2, patience.toMillis() + "ms");
            int parameter = 2;
            for (var column : List.<Function<Request, String>>of(Request::system, Request::entity, Request::recordId)) {
                statement.setArray(++parameter, connection.createArrayOf("text", requests.stream().map(column).toArray()));
            }
            statement.setArray(++parameter, connection.createArrayOf("bigint", requests.stream().map(Request::token).toArray()));
            statement.setArray(++parameter, connection.createArrayOf("text", requests.stream().map(Request::externalId).toArray()));
            statement.setArray(++parameter, connection.createArrayOf("boolean", requests.stream().map(Request::row).toArray()));
            return statement;
        }, row -> {
            known[row.getInt("n") - 1] = HubTransaction.node(row.getString("known"));
        });
        return Arrays.asList(known);
    }
}
