package io.bactrian.sync;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.bactrian.state.States;
import java.sql.SQLException;
import org.postgresql.util.PSQLException;
import org.springframework.core.NestedExceptionUtils;
import org.springframework.dao.DataAccessException;
import org.springframework.dao.EmptyResultDataAccessException;
import org.springframework.jdbc.core.JdbcTemplate;
import org.springframework.jdbc.core.PreparedStatementCallback;
import org.springframework.transaction.TransactionStatus;

/** HubTransaction of one transaction. All parameters are text, and cast where they are not. */
class HubTransaction {

    /** What Postgres said to a statement that it did not take. */
    record Fault(String code, String message) {

        /** @throws DataAccessException when that is no fault of the statement, but of the connection */
        static Fault of(DataAccessException failure) {
            if (!(NestedExceptionUtils.getMostSpecificCause(failure) instanceof SQLException cause) || cause.getSQLState() == null || cause.getSQLState().startsWith("08")) {
                throw failure;
            }
            return new Fault(cause.getSQLState(),
                    cause instanceof PSQLException told && told.getServerErrorMessage() != null ? told.getServerErrorMessage().getMessage() : cause.getMessage());
        }
    }

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
