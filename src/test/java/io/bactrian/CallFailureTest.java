package io.bactrian;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import io.bactrian.sync.Circuits;
import java.net.ConnectException;
import java.sql.SQLException;
import java.util.Map;
import org.apache.camel.Exchange;
import org.apache.camel.http.base.HttpOperationFailedException;
import org.apache.camel.impl.DefaultCamelContext;
import org.apache.camel.support.DefaultExchange;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.springframework.jdbc.CannotGetJdbcConnectionException;

/** What a failed call means for its record, where no route shows it. */
class CallFailureTest {

    private final Exchange exchange = new DefaultExchange(new DefaultCamelContext());

    @Test
    void postgres_that_is_away_is_not_the_other_systems_network() {
        describe("update", new CannotGetJdbcConnectionException("no", new SQLException(new ConnectException("refused"))));
        assertEquals("transient", exchange.getVariable("class"));
        assertEquals("postgres", exchange.getVariable("code"));
        assertEquals(false, exchange.getVariable("unanswered"));
    }

    @ParameterizedTest
    @CsvSource({"create, 404", "update, 404", "delete, 410", "create, 400"})
    void a_mapping_that_was_told_no_after_the_call_says_nothing_of_the_object(String action, int status) {
        exchange.setVariable("called", "true");
        describe(action, refused(status));
        assertEquals("fail", exchange.getVariable("result"));
        assertEquals("transient", exchange.getVariable("class"));
    }

    @ParameterizedTest
    @CsvSource({"update, 404", "delete, 410"})
    void a_write_to_an_object_that_is_not_there_has_an_outcome(String action, int status) {
        describe(action, refused(status));
        assertNull(exchange.getVariable("result"));
    }

    @Test
    void a_refusal_names_the_part_that_it_is_about() {
        exchange.setVariable("part", "invoice_items/7");
        describe("update", refused(400));
        assertEquals("permanent", exchange.getVariable("class"));
        assertEquals("shop answered 400 (about invoice_items/7)", exchange.getVariable("reason"));
    }

    private void describe(String action, Exception exception) {
        exchange.setVariable("system", "shop");
        exchange.setVariable("action", action);
        exchange.setProperty(Exchange.EXCEPTION_CAUGHT, exception);
        var failure = new CallFailure();
        failure.setCamelContext(exchange.getContext());
        failure.setCircuits(new Circuits());
        failure.describe(exchange);
    }

    private static HttpOperationFailedException refused(int status) {
        return new HttpOperationFailedException("http://127.0.0.1", status, "no", null, Map.of(), "");
    }
}
