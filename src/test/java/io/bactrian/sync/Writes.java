package io.bactrian.sync;

import io.bactrian.engine.Refusal.Failure;
import io.bactrian.state.States;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.springframework.core.NestedExceptionUtils;
import org.springframework.dao.DataAccessException;
import org.springframework.jdbc.datasource.SingleConnectionDataSource;

/** Claims on a connection, and what ends them, as the application makes them. Fields are an array's literal. */
public final class Writes {

    private static final Duration PATIENCE = Duration.ofSeconds(5);

    private Writes() {
    }

    /** Takes a record for a minute: see {@link Claims#claim(Work)}. */
    public static Map<String, Object> claim(Sql sql, String system, String entity, String recordId, String fields) {
        return claim(sql, system, entity, recordId, fields, "1 minute", null, "off");
    }

    static Map<String, Object> claim(Sql sql, String system, String entity, String recordId, String fields, String lease, String instance, String firstContact) {
        return new Claims(dataSource(sql), lease, instance, firstContact, PATIENCE, Runnable::run).claim(system, entity, recordId, list(fields));
    }

    /** What is to be done about a record. */
    static String action(Sql sql, String system, String entity, String recordId, String fields) {
        return (String) claim(sql, system, entity, recordId, fields).get("action");
    }

    /** The call succeeded; remote: JSON, at: seconds since the epoch, null for now. */
    static String settle(Sql sql, String system, String entity, String recordId, Object token, String externalId, String remote, Number at, boolean stale, String fields,
            String policy) throws SQLException {
        return settle(sql, PATIENCE, system, entity, recordId, token, externalId, remote, at, stale, fields, policy);
    }

    static String settle(Sql sql, Duration patience, String system, String entity, String recordId, Object token, String externalId, String remote, Number at, boolean stale,
            String fields, String policy) throws SQLException {
        var seconds = at == null ? System.currentTimeMillis() / 1000.0 : at;
        try {
            return claims(sql, patience).settle(system, entity, recordId, list(fields), policy, number(token), externalId, remote, seconds.toString(), stale, null);
        } catch (DataAccessException e) {
            if (NestedExceptionUtils.getMostSpecificCause(e) instanceof SQLException cause) {
                throw cause;
            }
            throw e;
        }
    }

    /** No lease has the number 0. */
    private static long number(Object token) {
        return token == null ? 0 : ((Number) token).longValue();
    }

    /** The call failed. */
    static String fail(Sql sql, String system, String entity, String recordId, Object token, String failureClass, boolean unanswered, boolean down, String code, String reason,
            String requestId, String retryAfter) {
        return claims(sql, PATIENCE).fail(system, entity, recordId, List.of(), number(token),
                new Failure(failureClass, false, unanswered, down, null, code, reason, requestId, retryAfter, null, States.empty()));
    }

    private static Claims claims(Sql sql, Duration patience) {
        return new Claims(dataSource(sql), "1 minute", null, "off", patience, Runnable::run);
    }

    private static SingleConnectionDataSource dataSource(Sql sql) {
        return new SingleConnectionDataSource(sql.connection(), true);
    }

    private static List<String> list(String fields) {
        return List.of(fields.replaceAll("[{}]", "").split("\\s*,\\s*"));
    }
}
