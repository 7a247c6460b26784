package io.bactrian.sync;

import io.micrometer.core.instrument.MeterRegistry;
import java.sql.SQLException;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executor;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import java.util.stream.Collectors;
import javax.sql.DataSource;
import org.apache.camel.CamelContext;
import org.apache.camel.CamelContextAware;
import org.apache.camel.Exchange;
import org.apache.camel.Predicate;
import org.apache.camel.builder.ThreadPoolProfileBuilder;
import org.apache.camel.component.kafka.KafkaConstants;
import org.apache.camel.component.kafka.consumer.KafkaManualCommit;
import org.apache.camel.support.DefaultExchange;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.springframework.dao.DataIntegrityViolationException;
import org.springframework.jdbc.core.JdbcTemplate;

/**
 * Makes other systems equal to the records that changed here. One for all systems: what it knows of each is said by the parameters of the templates integration and
 * announce. So many records of a system are looked at and written at once as its concurrency says, however many consumers there are, and the transactions that
 * changed them take turns: an edit of one row does not wait for ten thousand of one statement. A change is committed in Kafka once the look that it asked for is done.
 */
public final class Outbound implements CamelContextAware {

    private static final Logger LOG = LoggerFactory.getLogger(Outbound.class);
    private static final String CONCURRENCY = "8"; // of a system for which none is set

    private static final String REFUSE = "select sync.keep_refusal(?, ?, ?, ?, ?)";
    private static final String TRANSACTION = "\"txId\":";
    private static final long AGAIN_AFTER_MILLIS = 1000;

    private final Map<String, Workers> workers = new ConcurrentHashMap<>();
    private final Map<String, Look> waiting = new ConcurrentHashMap<>();
    private final Map<String, Predicate> conditions = new ConcurrentHashMap<>();
    private Map<String, String> concurrency = new HashMap<>();
    private DataSource dataSource;
    private Failures failures;
    private Circuits circuits;
    private Permits permits;
    private CamelContext camel;
    private ScheduledExecutorService later;
    private volatile Machinery machinery;

    /** Those who look at the records of a system, and what waits for them. */
    private record Workers(Executor threads, Turns<Look> turns) {
    }

    /** What can only be had once the routes are known. */
    private record Machinery(Map<String, Integration> integrations, Writer writer) {
    }

    public void setDataSource(DataSource dataSource) {
        this.dataSource = dataSource;
    }

    /** Tells what went wrong with a call. */
    public void setFailures(Failures failures) {
        this.failures = failures;
    }

    /** Learns of calls that were answered. */
    public void setCircuits(Circuits circuits) {
        this.circuits = circuits;
    }

    /** Says when a call may begin. */
    public void setPermits(Permits permits) {
        this.permits = permits;
    }

    public Map<String, String> getConcurrency() {
        return concurrency;
    }

    /** How many records are looked at and written at once, by system. */
    public void setConcurrency(Map<String, String> concurrency) {
        this.concurrency = concurrency;
    }

    /** Takes a message of a table's topic, and returns at once. It comes again, also to another instance, unless the look that it asks for is done. */
    public void take(String system, String entity, Exchange message) {
        var integration = machinery().integrations.get(system + "/" + entity);
        var place = message.getMessage().getHeader(KafkaConstants.MANUAL_COMMIT, KafkaManualCommit.class);
        if (!concerns(integration, message)) {
            place.commit();
            return;
        }
        var in = message.getMessage();
        var recordId = in.getHeader(KafkaConstants.KEY, String.class);
        var group = transaction(in.getBody(String.class), recordId);
        var look = waiting.compute(system + "/" + entity + "/" + recordId, (key, known) -> known != null && known.shows(place) ? known
                : new Look(new Work(integration, recordId, in.getHeader(KafkaConstants.PARTITION) + "/" + in.getHeader(KafkaConstants.OFFSET),
                        in.getHeader("changed_at", Long.class), false, false), message.getFromRouteId(), place));
        await(group, look);
    }

    /** The transaction that made a change, by its envelope; the record where it does not tell. */
    private static String transaction(String envelope, String recordId) {
        int at = envelope == null ? -1 : envelope.lastIndexOf(TRANSACTION);
        int end = at < 0 ? -1 : envelope.indexOf(',', at);
        return end < 0 ? recordId : envelope.substring(at, end);
    }

    /** Whether a change matters: not one that came from that system, nor what another one is asked. */
    private boolean concerns(Integration integration, Exchange message) {
        var in = message.getMessage();
        if (integration.system().equals(in.getHeader("origin", String.class))) {
            return false;
        }
        var target = in.getHeader("target", String.class);
        if (target != null) {
            return target.equals(integration.system());
        }
        return List.of(integration.ops().split("\\s*,\\s*")).contains(in.getHeader("op", String.class))
                && conditions.computeIfAbsent(integration.when(), this::condition).matches(message);
    }

    private Predicate condition(String simple) {
        var predicate = camel.resolveLanguage("simple").createPredicate(simple);
        predicate.init(camel);
        return predicate;
    }

    /**
     * Looks at a record that no change asks for: others go before.
     *
     * @param cause what asks for it, for the timeline
     * @param unlisted whether a reconcile did not find its object in the list
     */
    public void look(Integration integration, String recordId, String cause, boolean unlisted) {
        sync(new Work(integration, recordId, cause, null, true, unlisted));
    }

    private void sync(Work work) {
        try {
            machinery().writer.sync(work);
        } catch (DataIntegrityViolationException e) {
            refuse(work, e);
        }
    }

    /** Postgres does not take what is to become of the record, and would not the next time either: a person sees it, unless that cannot be the id of a record. */
    private void refuse(Work work, DataIntegrityViolationException refusal) {
        var integration = work.integration();
        var postgres = refusal.getMostSpecificCause();
        try {
            if (Boolean.TRUE.equals(new JdbcTemplate(dataSource).queryForObject(REFUSE, Boolean.class, integration.system(), integration.entity(), work.recordId(),
                    postgres instanceof SQLException sql ? sql.getSQLState() : "23000", postgres.getMessage()))) {
                return;
            }
        } catch (DataIntegrityViolationException e) {
            // Not even text to Postgres.
        }
        LOG.error("{} {}: skipped a message whose key cannot be the id of a record: {}", integration.system(), integration.entity(), work.cause());
    }

    private void await(Object group, Look look) {
        var all = workers(look.work().integration().system());
        all.turns.add(group, look);
        all.threads.execute(() -> look(all.turns.poll()));
    }

    private void look(Look look) {
        if (camel.isStopping() || camel.isStopped() || !look.begin()) {
            return;
        }
        var integration = look.work().integration();
        waiting.remove(integration.system() + "/" + integration.entity() + "/" + look.work().recordId(), look);
        var running = new DefaultExchange(camel);
        camel.getInflightRepository().add(running, look.route()); // the end waits for it
        try {
            sync(look.work());
            look.done();
        } catch (Exception | Error e) { // else nobody would look again
            LOG.warn("{} {} {} cannot be looked at, and is tried again: {}", integration.system(), integration.entity(), look.work().recordId(), e.getMessage());
            later.schedule(() -> await(look, look.again()), AGAIN_AFTER_MILLIS, TimeUnit.MILLISECONDS);
        } finally {
            camel.getInflightRepository().remove(running, look.route());
        }
    }

    private Workers workers(String system) {
        return workers.computeIfAbsent(system, name -> {
            int threads = Integer.parseInt(concurrency.getOrDefault(name, CONCURRENCY));
            // Whoever hands on must not wait, or do the work: how much may wait is the consumer's to say.
            var profile = new ThreadPoolProfileBuilder(name).poolSize(threads).maxPoolSize(threads).maxQueueSize(Integer.MAX_VALUE).build();
            return new Workers(camel.getExecutorServiceManager().newThreadPool(this, name, profile), new Turns<>());
        });
    }

    private Machinery machinery() {
        var known = machinery;
        return known == null ? make() : known;
    }

    private synchronized Machinery make() {
        if (machinery == null) {
            machinery = new Machinery(
                    Integration.of(camel).stream().collect(Collectors.toMap(one -> one.system() + "/" + one.entity(), Function.identity())),
                    new Writer(camel, new Claims(dataSource, camel), permits, failures, circuits, camel.getRegistry().findSingleByType(MeterRegistry.class)));
        }
        return machinery;
    }

    @Override
    public CamelContext getCamelContext() {
        return camel;
    }

    @Override
    public void setCamelContext(CamelContext camelContext) {
        camel = camelContext;
        later = camel.getExecutorServiceManager().newSingleThreadScheduledExecutor(this, "again");
    }
}
