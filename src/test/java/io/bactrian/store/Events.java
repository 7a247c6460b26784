package io.bactrian.store;

import com.fasterxml.jackson.core.JsonProcessingException;
import io.bactrian.state.States;
import io.bactrian.sync.Sql;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.function.Function;
import org.springframework.core.NestedExceptionUtils;
import org.springframework.dao.DataAccessException;
import org.springframework.jdbc.core.JdbcTemplate;
import org.springframework.jdbc.datasource.SingleConnectionDataSource;
import org.springframework.jdbc.support.JdbcTransactionManager;
import org.springframework.transaction.TransactionStatus;
import org.springframework.transaction.support.TransactionTemplate;

/** Events of the system stripe, applied on a connection as the application does: in company if that can be, else alone. */
public final class Events {

    private static final Duration A_MOMENT = Duration.ofMillis(10);

    private Events() {
    }

    /** All JSON is text; fields as an array's literal. Returns the outcome. */
    public static String apply(Sql sql, String entity, String event, String remote, String previous, String error, String fields, String policy) throws SQLException {
        return apply(sql, Duration.ofSeconds(5), entity, event, remote, previous, error, fields, policy);
    }

    public static String apply(Sql sql, Duration patience, String entity, String event, String remote, String previous, String error, String fields, String policy)
            throws SQLException {
        InboundEvent told;
        try {
            told = new InboundEvent("stripe", entity, List.of(fields.replaceAll("[{}]", "").split("\\s*,\\s*")), policy, States.parse(event), remote, previous, error, false, false);
        } catch (JsonProcessingException e) {
            throw new AssertionError(event, e);
        }
        String outcome = null;
        try {
            outcome = apply(sql.connection(), told, false, A_MOMENT);
        } catch (RuntimeException e) {
            // It is to blame alone.
        }
        try {
            return outcome == null ? apply(sql.connection(), told, true, patience) : outcome;
        } catch (DataAccessException e) {
            if (NestedExceptionUtils.getMostSpecificCause(e) instanceof SQLException cause) {
                throw cause;
            }
            throw e;
        }
    }

    /** Applies events of customers that come at once, each {system, event, remote}; what each came to. */
    public static List<String> applyAtOnce(Sql sql, String fields, String[]... events) throws JsonProcessingException {
        var work = new ArrayDeque<Runnable>();
        var inbox = new Inbox(new SingleConnectionDataSource(sql.connection(), true), work::add);
        var outcomes = new ArrayList<CompletableFuture<String>>();
        for (var event : events) {
            outcomes.add(inbox.add(new InboundEvent(event[0], "customers", List.of(fields.split(",")), "newest", States.parse(event[1]), event[2], null, null, false, false)));
        }
        while (!work.isEmpty()) {
            work.poll().run();
        }
        return outcomes.stream().map(CompletableFuture::join).toList();
    }

    private static String apply(Connection connection, InboundEvent event, boolean alone, Duration patience) {
        return within(connection, status -> new InboundTransaction(new JdbcTemplate(new SingleConnectionDataSource(connection, true)), status, alone)
                .apply(List.of(event), patience).get(0));
    }

    /** Applies events that are kept and may be applied now; how many. */
    public static int release(Sql sql, int limit) {
        return new Inbox(new SingleConnectionDataSource(sql.connection(), true), Runnable::run).release(limit);
    }

    /** Compares one page of a run about customers, from where it is; fields are those of customers. */
    public static void compare(Sql sql, long run, String step, String position, List<String> fields, String match, int limit) {
        new Inbox(new SingleConnectionDataSource(sql.connection(), true), Runnable::run)
                .compare(run, step, position, "stripe", "customers", fields, "newest", match, limit);
    }

    private static <T> T within(Connection connection, Function<TransactionStatus, T> work) {
        return new TransactionTemplate(new JdbcTransactionManager(new SingleConnectionDataSource(connection, true))).execute(work::apply);
    }
}
