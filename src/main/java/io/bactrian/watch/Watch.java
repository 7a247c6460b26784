package io.bactrian.watch;

import io.bactrian.capture.Drain;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.MultiGauge;
import io.micrometer.core.instrument.MultiGauge.Row;
import io.micrometer.core.instrument.Tags;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.BinaryOperator;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.camel.CamelContext;
import org.apache.camel.CamelContextAware;
import org.apache.camel.Exchange;
import org.apache.camel.health.HealthCheck;

/**
 * Takes what {@code sync.status()} and Kafka's brokers say every few seconds, and turns it into gauges named {@code bactrian.*} and into two
 * health checks: {@link PostgresHealth} and {@link Progress}.
 */
public final class Watch implements CamelContextAware {

    private final Map<String, MultiGauge> gauges = new ConcurrentHashMap<>();
    private final Stalls stalls = new Stalls(System::nanoTime);
    private final PostgresHealth postgres = new PostgresHealth();
    private final Progress progress = new Progress(stalls);
    private Drain drain;
    private CamelContext camel;

    /** What is to be registered with Camel. */
    public List<HealthCheck> checks() {
        return List.of(postgres, progress);
    }

    /**
     * Takes what the database says.
     *
     * @param rows of {@code sync.status()}
     */
    public void status(List<Map<String, Object>> rows) {
        postgres.answered();
        var facts = rows.stream().map(Fact::of).toList();
        stalls.note("postgres", facts.stream().filter(fact -> fact.metric().equals("waiting")).map(Fact::work).toList());
        progress.notes("postgres", facts.stream().filter(fact -> fact.reason() != null && !fact.needsPerson()).map(Fact::note).toList());
        progress.alarms(facts.stream().filter(fact -> fact.reason() != null && fact.needsPerson()).map(Fact::note).toList());
        var byMetric = facts.stream().filter(fact -> !fact.metric().equals("waiting")).collect(Collectors.groupingBy(Fact::metric));
        gauges.keySet().stream().filter(name -> name.startsWith("status ")).map(name -> name.substring("status ".length()))
                .forEach(metric -> byMetric.putIfAbsent(metric, List.of()));
        byMetric.forEach((metric, some) -> set("status " + metric, metric, some.stream().map(fact -> Row.of(fact.tags(), fact.value())).toList()));
        progress.notes("capture", drain.waiting());
        waiting();
    }

    /** The database did not answer: the exception that a {@code doCatch} caught. */
    public void postgresAway(Exchange exchange) {
        postgres.failed(exchange.getProperty(Exchange.EXCEPTION_CAUGHT, Exception.class));
    }

    /** Takes what the brokers say. */
    public void lag(ConsumerLag.Answer answer) {
        progress.kafkaAnswered();
        progress.notes("kafka", answer.unread().stream().filter(Unread::isMissing).map(Unread::note).toList());
        stalls.note("kafka", Stream.concat(answer.lags().stream().filter(lag -> lag.messages() > 0).map(Lag::work),
                answer.unread().stream().filter(topic -> !topic.isMissing()).map(Unread::work)).toList());
        set("lag", "consumer.lag", merged(answer.lags(), lag -> Tags.of("group", lag.group(), "topic", lag.topic()), lag -> (double) lag.messages(), Double::sum));
        waiting();
    }

    /** The brokers did not answer: the exception that a {@code doCatch} caught. */
    public void kafkaAway(Exchange exchange) {
        progress.kafkaFailed(exchange.getProperty(Exchange.EXCEPTION_CAUGHT, Exception.class));
    }

    private void waiting() {
        set("waiting", "waiting", merged(stalls.all(),
                stall -> Tags.of("class", stall.work().kind(), "system", stall.work().system(), "entity", stall.work().entity()),
                stall -> (double) stall.seconds(), Math::max));
    }

    private static <T> List<Row<?>> merged(List<T> things, Function<T, Tags> tags, Function<T, Double> value, BinaryOperator<Double> merge) {
        return things.stream().collect(Collectors.toMap(tags, value, merge)).entrySet().stream()
                .<Row<?>>map(entry -> Row.of(entry.getKey(), entry.getValue())).toList();
    }

    private void set(String key, String metric, List<? extends Row<?>> rows) {
        gauges.computeIfAbsent(key, any -> MultiGauge.builder("bactrian." + metric).register(registry())).register(new ArrayList<>(rows), true);
    }

    private MeterRegistry registry() {
        return camel.getRegistry().findSingleByType(MeterRegistry.class);
    }

    /** What takes changes to Kafka. */
    public void setDrain(Drain drain) {
        this.drain = drain;
    }

    /** After how long a standstill {@code bactrian-progress} is DOWN. */
    public void setStalledAfter(Duration time) {
        progress.stalledAfter(time);
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
