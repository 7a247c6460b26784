package io.bactrian.sync;

import io.micrometer.core.instrument.MeterRegistry;
import java.io.IOException;
import java.math.BigDecimal;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import javax.sql.DataSource;
import org.apache.camel.CamelContext;
import org.apache.camel.CamelContextAware;
import org.apache.camel.Exchange;
import org.springframework.jdbc.core.namedparam.NamedParameterJdbcTemplate;

/**
 * The pace of each system: calls begin one after the other, at its rate, whatever other instances do, and more slowly for a while when it says that they come
 * too fast ({@code sync.permit}, {@code sync.slow_down}). Every call that writes a record has a permit, whatever the system; a route that makes more calls than
 * that one takes one for each.
 */
public final class Permits implements CamelContextAware {

    private static final String RATE = "100"; // of a system for which none is set
    private static final String IN_HAND = "bactrian.permit";
    private static final long SLICE_MILLIS = 250;

    private NamedParameterJdbcTemplate postgres;
    private Map<String, String> rates = new HashMap<>();
    private CamelContext camel;
    private String sql;
    private volatile Map<String, RemoteSystem> systems; // once the routes are known

    public void setDataSource(DataSource dataSource) throws IOException {
        postgres = new NamedParameterJdbcTemplate(dataSource);
        sql = Files.readString(Path.of("sql/call-permit.sql"));
    }

    public Map<String, String> getRates() {
        return rates;
    }

    /** Calls a second, of all instances together, by system. */
    public void setRates(Map<String, String> rates) {
        this.rates = rates;
    }

    /** Waits for the permit of the call that the route does which follows, and renews the lease of the record that is written. In: as {@link #take}. */
    void prepare(Exchange exchange, String system) throws InterruptedException {
        await(exchange, system);
        exchange.setProperty(IN_HAND, system);
    }

    /**
     * Returns when a call may begin: at once when its permit was waited for already. In: the variables resource, the class of the endpoint, which has a bucket of
     * its own besides that of the system; and background, whether others go before: such a call takes only what they leave.
     */
    public void take(Exchange exchange, String system) throws InterruptedException {
        if (!system.equals(exchange.removeProperty(IN_HAND))) {
            await(exchange, system);
        }
    }

    private void await(Exchange exchange, String system) throws InterruptedException {
        var begin = System.nanoTime();
        var parameters = Map.of("system", system, "class", exchange.getVariable("resource", "", String.class), "rate", rate(system),
                "background", exchange.getVariable("background", false, Boolean.class));
        long wait;
        do {
            wait = postgres.queryForObject(sql, parameters, Long.class);
            pause(exchange, Math.abs(wait));
        } while (wait < 0);
        Lease.renew(exchange);
        camel.getRegistry().findSingleByType(MeterRegistry.class).timer("bactrian.permit.wait", "system", system).record(System.nanoTime() - begin, TimeUnit.NANOSECONDS);
    }

    /** Whoever waits keeps the record that is to be written. */
    private static void pause(Exchange exchange, long millis) throws InterruptedException {
        for (long left = millis; left > 0; left -= SLICE_MILLIS) {
            Thread.sleep(Math.min(left, SLICE_MILLIS));
            Lease.renew(exchange);
        }
    }

    private BigDecimal rate(String system) {
        var said = systems().get(system);
        if (said != null && said.rateLimit() != null) {
            return said.rateLimit();
        }
        return new BigDecimal(rates.getOrDefault(said == null ? system : said.prefix(), RATE).strip());
    }

    private Map<String, RemoteSystem> systems() {
        var known = systems;
        if (known == null) {
            known = RemoteSystem.of(camel);
            systems = known;
        }
        return known;
    }

    @Override
    public CamelContext getCamelContext() {
        return camel;
    }

    @Override
    public void setCamelContext(CamelContext camelContext) {
        camel = camelContext;
    }
}
