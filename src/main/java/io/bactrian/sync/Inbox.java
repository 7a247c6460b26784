package io.bactrian.sync;

import io.bactrian.sync.Batch.Entry;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.function.Function;
import javax.sql.DataSource;
import org.springframework.dao.CannotAcquireLockException;
import org.springframework.dao.DataAccessException;
import org.springframework.dao.DataAccessResourceFailureException;
import org.springframework.jdbc.UncategorizedSQLException;
import org.springframework.jdbc.core.JdbcTemplate;
import org.springframework.jdbc.core.PreparedStatementCallback;
import org.springframework.jdbc.core.PreparedStatementCreator;
import org.springframework.jdbc.support.SQLStateSQLExceptionTranslator;

/**
 * Applies inbound events, each once, in the order in which they came: those that come while others are under way share a transaction. A batch waits for
 * no lock longer than a moment: whose record is locked, and whatever else Postgres could not take in company, is taken by itself.
 */
final class Inbox {

    /** Each is a subtransaction or two, of which Postgres remembers 64 cheaply. */
    private static final int LIMIT = 30;
    /** So many events that had to wait for a lock are waited for at once. */
    private static final int ALONE = 4;
    private static final Duration PATIENCE = Duration.ofSeconds(5);
    private static final Duration A_MOMENT = Duration.ofMillis(10);

    /** What Postgres said to one event of a batch; {@code code} is an SQLSTATE, null when it was applied. */
    private record Answer(String outcome, String code, String message) {

        /** Whether it may be applied in a moment: it met a lock, a deadlock, or a change that was not there when it began. */
        boolean isAboutLocks() {
            return code != null && (code.equals("55P03") || code.startsWith("40"));
        }

        DataAccessException reason() {
            var cause = new SQLException(message, code);
            var known = new SQLStateSQLExceptionTranslator().translate("apply an event", null, cause);
            return known == null ? new UncategorizedSQLException("apply an event", null, cause) : known;
        }
    }

    private final JdbcTemplate postgres;
    private final String sql;
    private final Batch<InboundEvent, String> together;
    private final Batch<InboundEvent, String> alone;

    Inbox(DataSource postgres, Executor executor) {
        this.postgres = new JdbcTemplate(postgres);
        try {
            sql = Files.readString(Path.of("sql/event-apply.sql"));
        } catch (IOException e) {
            throw new UncheckedIOException("sql/event-apply.sql cannot be read", e);
        }
        together = new Batch<>(executor, 1, LIMIT, this::applyTogether);
        alone = new Batch<>(executor, ALONE, 1, batch -> applyAlone(batch.get(0)));
    }

    /**
     * Applies an event.
     *
     * @return what it came to, after the commit. It fails with a DataIntegrityViolationException when Postgres can never store the event, and with another
     *         DataAccessException when it may be repeated
     */
    CompletableFuture<String> add(InboundEvent event) {
        return together.add(event);
    }

    private void applyTogether(List<Entry<InboundEvent, String>> batch) {
        List<Answer> answers;
        try {
            answers = applyAll(batch.stream().map(Entry::item).toList(), A_MOMENT);
        } catch (DataAccessResourceFailureException e) {
            throw e; // Postgres is away for all of them
        } catch (DataAccessException e) {
            batch.forEach(alone::add); // at the commit, say: one of them is to blame
            return;
        }
        for (int i = 0; i < answers.size(); i++) {
            var entry = batch.get(i);
            if (answers.get(i).isAboutLocks()) {
                alone.add(entry);
            } else {
                answer(entry, answers.get(i));
            }
        }
    }

    private void applyAlone(Entry<InboundEvent, String> entry) {
        if (System.nanoTime() - entry.since() > PATIENCE.toNanos()) {
            throw new CannotAcquireLockException("others wait for locked records, too");
        }
        answer(entry, applyAll(List.of(entry.item()), PATIENCE).get(0));
    }

    private static void answer(Entry<InboundEvent, String> entry, Answer answer) {
        if (answer.code == null) {
            entry.result().complete(answer.outcome);
        } else {
            entry.result().completeExceptionally(answer.reason());
        }
    }

    private List<Answer> applyAll(List<InboundEvent> events, Duration patience) {
        return postgres.execute((PreparedStatementCreator) connection -> {
            var statement = connection.prepareStatement(sql);
            int parameter = 0;
            for (var column : List.<Function<InboundEvent, String>>of(event -> event.integration().system(), event -> event.integration().entity(),
                    InboundEvent::event, InboundEvent::remote, InboundEvent::previous, InboundEvent::error,
                    event -> String.join(",", event.integration().fields()), event -> event.integration().policy())) {
                statement.setArray(++parameter, connection.createArrayOf("text", events.stream().map(column).toArray()));
            }
            statement.setString(++parameter, patience.toMillis() + "ms");
            return statement;
        }, (PreparedStatementCallback<List<Answer>>) statement -> {
            var answers = new ArrayList<Answer>();
            try (var rows = statement.executeQuery()) {
                while (rows.next()) {
                    answers.add(new Answer(rows.getString("outcome"), rows.getString("code"), rows.getString("message")));
                }
            }
            return answers;
        });
    }
}
