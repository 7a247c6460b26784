package io.bactrian.sync;

import io.micrometer.core.instrument.MeterRegistry;
import java.io.IOException;
import java.math.BigDecimal;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import javax.sql.DataSource;
import org.apache.camel.CamelContext;
import org.apache.camel.CamelContextAware;
import org.springframework.jdbc.core.namedparam.NamedParameterJdbcTemplate;

/** Lets calls to a system begin one after the other, at its rate, whatever other instances do. */
public final class Permits implements CamelContextAware {

    private NamedParameterJdbcTemplate postgres;
    private CamelContext camel;
    private String sql;

    public void setDataSource(DataSource dataSource) throws IOException {
        postgres = new NamedParameterJdbcTemplate(dataSource);
        sql = Files.readString(Path.of("sql/call-permit.sql"));
    }

    /**
     * Returns when the call may begin.
     *
     * @param resource the class of the endpoint, which has a bucket of its own besides that of the system
     * @param rate calls a second
     * @param background whether others go before: such a call takes only what they leave
     */
    public void await(String system, String resource, BigDecimal rate, boolean background) throws InterruptedException {
        var begin = System.nanoTime();
        long wait;
        do {
            wait = postgres.queryForObject(sql, Map.of("system", system, "class", resource, "rate", rate, "background", background), Long.class);
            if (wait != 0) {
                Thread.sleep(Math.abs(wait));
            }
        } while (wait < 0);
        camel.getRegistry().findSingleByType(MeterRegistry.class).timer("bactrian.permit.wait", "system", system).record(System.nanoTime() - begin, TimeUnit.NANOSECONDS);
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
