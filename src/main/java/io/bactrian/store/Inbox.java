package io.bactrian.store;

import io.bactrian.store.Batch.Entry;
import io.bactrian.store.HubTransaction.Fault;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import javax.sql.DataSource;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.springframework.dao.CannotAcquireLockException;
import org.springframework.jdbc.core.JdbcTemplate;
import org.springframework.jdbc.support.JdbcTransactionManager;
import org.springframework.transaction.TransactionStatus;
import org.springframework.transaction.support.TransactionTemplate;

/**
 * Applies inbound events, each once, in the order in which they came: those that come while others are under way share a transaction. A batch waits for
 * no lock: whose record somebody has is taken by itself, and a batch of which Postgres does not take all is halved until it is known who is to blame.
 */
public final class Inbox {

    private static final Logger LOG = LoggerFactory.getLogger(Inbox.class);
    private static final int LIMIT = 64;
    /** So many events that had to wait for a lock are waited for at once. */
    private static final int ALONE = 4;
    private static final Duration PATIENCE = Duration.ofSeconds(5);
    private static final Duration NO_TIME = Duration.ofMillis(1);
    private static final Duration A_MOMENT = Duration.ofMillis(10);

    private final JdbcTemplate postgres;
    private final TransactionTemplate transactions;
    private final Batch<InboundEvent, String> together;
    private final Batch<InboundEvent, String> alone;

    /** @param executor does the work; as many as come at once share it */
    public Inbox(DataSource postgres, Executor executor) {
        this.postgres = new JdbcTemplate(postgres);
        transactions = new TransactionTemplate(new JdbcTransactionManager(postgres));
        together = new Batch<>(executor, 1, LIMIT, this::applyTogether);
        alone = new Batch<>(executor, ALONE, 1, batch -> applyAlone(batch.get(0)));
    }

    /**
     * Applies an event.
     *
     * @return what it came to, after the commit:
     *
     *     <ul>
     *       <li>created, applied, conflict, unchanged, echo, deleted; duplicate
     *       <li>tombstone: late, about an object that is gone
     *       <li>hint, deferred: not to be trusted, a worker reads the object
     *       <li>failed: kept in sync.failure; waiting: it refers to an object that the hub does not have yet; held: its system is paused, or the table cannot be seen:
     *           {@link #release} applies it; delete_held: it waits for a person
     *       <li>ignored: about an object without an id; foreign: about an object that points into another installation, or names none
     *     </ul>
     *
     *     It fails with a DataIntegrityViolationException when Postgres can never store the event, and with another DataAccessException when it may be repeated
     */
    public CompletableFuture<String> add(InboundEvent event) {
        return together.add(event);
    }

    /**
     * Applies events that were kept and may be applied now, oldest first. One whose row somebody has is left for the next call.
     *
     * @return how many; to be called until there are none
     */
    public int release(int limit) {
        return transactions.execute(status -> (int) applyWithin(status, due(limit), true).stream().filter(Objects::nonNull).count());
    }

    private List<InboundEvent> due(int limit) {
        return postgres.query("select system, entity, held::text, waited from sync.due_events(?)",
                (row, n) -> InboundEvent.again(row.getString("system"), row.getString("entity"), row.getString("held"), row.getBoolean("waited")), limit);
    }

    /**
     * Compares one page of a reconcile's step, and applies what it brings here.
     *
     * @param position where the run was when it was asked for; when it has gone on since, nothing is done
     */
    public void compare(long runId, String step, String position, String system, String entity, List<String> fields, String policy, String match, int limit) {
        transactions.executeWithoutResult(status -> {
            var asked = postgres.queryForObject("select last_value from sync.outbox_id_seq", Long.class);
            var ids = new ArrayList<String>();
            var events = postgres.query("select to_json(ids)::text as ids, event::text, remote, error from sync.reconcile_page(?, ?, ?, ?::text[], ?, ?, ?)", (row, n) -> {
                ids.add(row.getString("ids"));
                return new InboundEvent(system, entity, fields, policy, HubTransaction.parse(row.getString("event")), row.getString("remote"), null, row.getString("error"), false, false);
            }, runId, step, position, HubTransaction.array(fields), policy, match, limit);
            if (events.isEmpty()) {
                return;
            }
            var outcomes = applyWithin(status, events, false);
            var applied = IntStream.range(0, ids.size())
                    .mapToObj(i -> "{\"ids\":%s,\"outcome\":\"%s\",\"external_id\":%s}".formatted(ids.get(i), outcomes.get(i), events.get(i).event().get("external_id")))
                    .collect(Collectors.joining(",", "[", "]"));
            postgres.query("select sync.page_applied(?, ?, ?::jsonb)", row -> { }, runId, asked, applied);
        });
    }

    /** Applies events within a transaction that does more; {@code lenient}: one whose row somebody has is left out, and its outcome is null. */
    private List<String> applyWithin(TransactionStatus status, List<InboundEvent> events, boolean lenient) {
        return apart(events, InboundEvent::object).stream().flatMap(part -> applyPart(status, part, lenient).stream()).toList();
    }

    private List<String> applyPart(TransactionStatus status, List<InboundEvent> events, boolean lenient) {
        if (events.size() == 1) {
            return Collections.singletonList(applyOne(status, events.get(0), lenient));
        }
        var before = status.createSavepoint();
        List<String> outcomes;
        try {
            outcomes = new InboundTransaction(postgres, status, false).apply(events, A_MOMENT);
        } catch (RuntimeException e) {
            Fault.of(e); // or Postgres is away
            status.rollbackToSavepoint(before);
            int half = events.size() / 2;
            return Stream.of(events.subList(0, half), events.subList(half, events.size())).flatMap(part -> applyPart(status, part, lenient).stream())
                    .collect(Collectors.toCollection(ArrayList::new));
        }
        status.releaseSavepoint(before);
        return IntStream.range(0, events.size()).mapToObj(i -> outcomes.get(i) == null ? applyOne(status, events.get(i), lenient) : outcomes.get(i))
                .collect(Collectors.toCollection(ArrayList::new));
    }

    private String applyOne(TransactionStatus status, InboundEvent event, boolean lenient) {
        var before = status.createSavepoint();
        try {
            var outcome = known(new InboundTransaction(postgres, status, true).apply(List.of(event), lenient ? NO_TIME : PATIENCE).get(0));
            status.releaseSavepoint(before);
            return outcome;
        } catch (RuntimeException e) {
            var fault = Fault.of(e);
            if (!lenient) {
                throw e;
            }
            if (!fault.isAboutLocks()) {
                LOG.warn("the event {} of {} that was kept cannot be applied now: {}", event.id(), event.system(), fault.code());
            }
            status.rollbackToSavepoint(before);
            return null;
        }
    }

    /** Alone, an event waits for what it needs; if that is not there then, it may be repeated. */
    private static String known(String outcome) {
        if (outcome == null) {
            throw new CannotAcquireLockException("somebody has changed its record meanwhile");
        }
        return outcome;
    }

    private void applyTogether(List<Entry<InboundEvent, String>> batch) {
        apart(batch, entry -> entry.item().object()).forEach(this::attempt);
    }

    /** Parts of a batch in which no object occurs twice, in order. */
    private static <T> List<List<T>> apart(List<T> batch, Function<T, String> object) {
        var parts = new ArrayList<List<T>>();
        var seen = new HashSet<String>();
        for (var one : batch) {
            if (parts.isEmpty() || parts.get(parts.size() - 1).size() == LIMIT || !seen.add(object.apply(one))) {
                parts.add(new ArrayList<>());
                seen.clear();
                seen.add(object.apply(one));
            }
            parts.get(parts.size() - 1).add(one);
        }
        return parts;
    }

    private void attempt(List<Entry<InboundEvent, String>> batch) {
        List<String> outcomes;
        try {
            outcomes = apply(batch.stream().map(Entry::item).toList(), false, A_MOMENT);
        } catch (RuntimeException e) {
            Fault.of(e); // or Postgres is away, for all of them
            if (batch.size() == 1) {
                alone.add(batch.get(0));
            } else {
                attempt(batch.subList(0, batch.size() / 2));
                attempt(batch.subList(batch.size() / 2, batch.size()));
            }
            return;
        }
        for (int i = 0; i < outcomes.size(); i++) {
            if (outcomes.get(i) == null) {
                alone.add(batch.get(i));
            } else {
                batch.get(i).result().complete(outcomes.get(i));
            }
        }
    }

    private void applyAlone(Entry<InboundEvent, String> entry) {
        if (System.nanoTime() - entry.since() > PATIENCE.toNanos()) {
            throw new CannotAcquireLockException("others wait for locked records, too");
        }
        entry.result().complete(known(apply(List.of(entry.item()), true, PATIENCE).get(0)));
    }

    private List<String> apply(List<InboundEvent> events, boolean alone, Duration patience) {
        return transactions.execute(status -> new InboundTransaction(postgres, status, alone).apply(events, patience));
    }
}
