package io.bactrian.watch;

import io.bactrian.sync.Failures;
import io.micrometer.core.instrument.Meter;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Tags;
import io.micrometer.core.instrument.config.MeterFilter;
import io.micrometer.core.instrument.distribution.DistributionStatisticConfig;
import java.time.Duration;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.apache.camel.Endpoint;
import org.apache.camel.Exchange;
import org.apache.camel.spi.CamelEvent;
import org.apache.camel.spi.CamelEvent.ExchangeSendingEvent;
import org.apache.camel.spi.CamelEvent.ExchangeSentEvent;
import org.apache.camel.support.EventNotifierSupport;

/** How long calls to other systems take, as {@code bactrian.call}; and where the buckets of all our histograms end. */
public final class Meters extends EventNotifierSupport {

    /** Where the buckets of the histograms end. */
    private static final double[] BUCKETS = Stream.of("PT0.05S", "PT0.1S", "PT0.25S", "PT0.5S", "PT1S", "PT2S", "PT5S", "PT15S", "PT1M", "PT5M")
            .mapToDouble(text -> Duration.parse(text).toNanos()).toArray();
    /** Schemes of what is no other system. */
    private static final Set<String> OURS = Set.of("sql", "kafka", "pgevent");

    private MeterRegistry registry;
    private Failures failures;

    /** Camel makes no events that nobody wants. */
    public Meters() {
        setIgnoreCamelContextEvents(true);
        setIgnoreRouteEvents(true);
        setIgnoreServiceEvents(true);
        setIgnoreStepEvents(true);
        setIgnoreExchangeCreatedEvent(true);
        setIgnoreExchangeCompletedEvent(true);
        setIgnoreExchangeFailedEvents(true);
        setIgnoreExchangeRedeliveryEvents(true);
    }

    @Override
    protected void doStart() throws Exception {
        super.doStart();
        registry = getCamelContext().getRegistry().findSingleByType(MeterRegistry.class);
        failures = getCamelContext().getRegistry().findSingleByType(Failures.class);
        registry.config().meterFilter(new MeterFilter() {
            @Override
            public DistributionStatisticConfig configure(Meter.Id id, DistributionStatisticConfig config) {
                return id.getType() == Meter.Type.TIMER && id.getName().startsWith("bactrian.")
                        ? DistributionStatisticConfig.builder().serviceLevelObjectives(BUCKETS).build().merge(config) : config;
            }
        });
    }

    /** Camel tells of what was sent, and how long that took, only where somebody wants to know that it is about to be. */
    @Override
    public boolean isEnabled(CamelEvent event) {
        return event instanceof ExchangeSendingEvent sending && concerns(sending.getEndpoint(), sending.getExchange())
                || event instanceof ExchangeSentEvent sent && concerns(sent.getEndpoint(), sent.getExchange());
    }

    private static boolean concerns(Endpoint endpoint, Exchange exchange) {
        return endpoint.isRemote() && !OURS.contains(endpoint.getEndpointUri().split(":", 2)[0]) && exchange.getVariable("system") != null;
    }

    /** Something was sent to another system, and has been answered or not. */
    @Override
    public void notify(CamelEvent event) {
        if (event instanceof ExchangeSentEvent sent) {
            registry.timer("bactrian.call", tags(sent.getExchange()).and("outcome", outcome(sent.getExchange().getException())))
                    .record(sent.getTimeTaken(), TimeUnit.MILLISECONDS);
        }
    }

    /** {@code ok}, {@code transient}, {@code permanent}, {@code denied} or {@code fatal}. */
    private String outcome(Throwable exception) {
        return exception == null ? "ok" : failures.kind(exception);
    }

    private static Tags tags(Exchange exchange) {
        return Tags.of("system", exchange.getVariable("system", String.class), "entity", exchange.getVariable("entity", "", String.class));
    }
}
