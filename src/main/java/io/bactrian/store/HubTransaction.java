package io.bactrian.store;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.bactrian.state.States;
import io.bactrian.state.Unfit;
import java.sql.SQLException;
import java.util.List;
import java.util.stream.Collectors;
import org.postgresql.util.PSQLException;
import org.springframework.core.NestedExceptionUtils;
import org.springframework.dao.DataAccessResourceFailureException;
import org.springframework.dao.EmptyResultDataAccessException;
import org.springframework.jdbc.core.JdbcTemplate;
import org.springframework.jdbc.core.PreparedStatementCallback;
import org.springframework.transaction.CannotCreateTransactionException;
import org.springframework.transaction.TransactionStatus;

/** HubTransaction of one transaction. All parameters are text, and cast where they are not. */
public class HubTransaction {

    /** What Postgres said to a statement that it did not take. */
    public record Fault(String code, String message) {

        /**
         * What was wrong with what was to be done.
         *
         * @throws RuntimeException the failure itself, when it is one of the connection
         */
        public static Fault of(RuntimeException failure) {
            if (failure instanceof Unfit unfit) {
                return new Fault(unfit.code(), unfit.getMessage());
            } else if (isAway(failure)) {
                throw failure;
            } else if (!(NestedExceptionUtils.getMostSpecificCause(failure) instanceof SQLException)) {
                return new Fault("22000", "it cannot be understood (" + failure.getClass().getSimpleName() + ")");
            }
            var sql = (SQLException) NestedExceptionUtils.getMostSpecificCause(failure);
            return new Fault(sql.getSQLState(), sql instanceof PSQLException told && told.getServerErrorMessage() != null ? told.getServerErrorMessage().getMessage() : sql.getMessage());
        }

        /** Whether Postgres is away, or has no room, for whatever is asked of it. */
        public static boolean isAway(RuntimeException failure) {
            if (NestedExceptionUtils.getMostSpecificCause(failure) instanceof SQLException cause) {
                var state = cause.getSQLState();
                return state == null || AWAY.stream().anyMatch(state::startsWith);
            }
            return failure instanceof CannotCreateTransactionException || failure instanceof DataAccessResourceFailureException;
        }

        /** Whether somebody has what it needed: it may be done in a moment. */
        public boolean isAboutLocks() {
            return code.equals("55P03") || code.startsWith("40");
        }
    }

    private static final List<String> AWAY = List.of("08", "25P03", "53", "57P", "58");

    final JdbcTemplate postgres;
    final TransactionStatus status;

    HubTransaction(JdbcTemplate postgres, TransactionStatus status) {
        this.postgres = postgres;
        this.status = status;
    }

    /** The only column of the only row; null when there is none. */
    final String text(String sql, Object... parameters) {
        try {
            return postgres.queryForObject(sql, String.class, parameters);
        } catch (EmptyResultDataAccessException e) {
            return null;
        }
    }

    final boolean is(String sql, Object... parameters) {
        return "t".equals(text(sql, parameters));
    }

    final ObjectNode object(String sql, Object... parameters) {
        return parse(text(sql, parameters));
    }

    final void run(String sql, Object... parameters) {
        postgres.execute(sql, (PreparedStatementCallback<Void>) statement -> {
            for (int i = 0; i < parameters.length; i++) {
                statement.setString(i + 1, (String) parameters[i]);
            }
            statement.execute();
            return null;
        });
    }

    /** An array's literal. */
    static String array(List<String> texts) {
        return texts.stream().map(text -> '"' + text.replace("\\", "\\\\").replace("\"", "\\\"") + '"').collect(Collectors.joining(",", "{", "}"));
    }

    static ObjectNode parse(String json) {
        return (ObjectNode) node(json);
    }

    static JsonNode node(String json) {
        try {
            return json == null ? null : States.JSON.readTree(json);
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("Postgres answered no JSON", e);
        }
    }
}
