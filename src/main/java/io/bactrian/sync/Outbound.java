package io.bactrian.sync;

import io.micrometer.core.instrument.MeterRegistry;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executor;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Function;
import java.util.stream.Collectors;
import javax.sql.DataSource;
import org.apache.camel.CamelContext;
import org.apache.camel.CamelContextAware;
import org.apache.camel.Exchange;
import org.apache.camel.Predicate;
import org.apache.camel.component.kafka.KafkaConstants;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.springframework.dao.DataIntegrityViolationException;

/**
 * Makes other systems equal to the records that changed here. One for all systems: what it knows of each is said by the parameters of the template outbound.
 * So many records of a system are looked at and written at once as its concurrency says, however many consumers there are; offsets
 * move only past what is done.
 */
public final class Outbound implements CamelContextAware {

    private static final Logger LOG = LoggerFactory.getLogger(Outbound.class);
    private static final String CONCURRENCY = "8"; // of a system for which none is set

    private final ThreadLocal<Poll> polls = ThreadLocal.withInitial(() -> null);
    private final Map<String, Executor> workers = new ConcurrentHashMap<>();
    private final Map<String, Predicate> conditions = new ConcurrentHashMap<>();
    private Map<String, String> concurrency = new HashMap<>();
    private DataSource dataSource;
    private Failures failures;
    private Circuits circuits;
    private CamelContext camel;
    private volatile Machinery machinery;

    /** What can only be had once the routes are known. */
    private record Machinery(Map<String, Integration> integrations, Writer writer) {
    }

    /** What a consumer has fetched and handed on: of each partition in order, of each record the newest. */
    private record Poll(Object consumer, Map<Object, List<Message>> partitions, Map<String, Job> jobs) {
    }

    /** A message, and the job that it is done with; null when it asks for nothing. */
    private record Message(ManualCommit place, Job job) {
    }

    /** A look at a record, which all changes share that come before it begins. */
    private record Job(AtomicBoolean begun, CompletableFuture<Void> end) {
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

    public Map<String, String> getConcurrency() {
        return concurrency;
    }

    /** How many records are looked at and written at once, by system. */
    public void setConcurrency(Map<String, String> concurrency) {
        this.concurrency = concurrency;
    }

    /**
     * Takes a message of a table's topic. It returns at once, but for the last one that was fetched: then all that were fetched are done, and committed.
     *
     * @throws Exception what stopped one of them, when it is to come again: the messages before it are committed
     */
    public void take(String system, String entity, Exchange message) throws Exception {
        var place = message.getMessage().getHeader(KafkaConstants.MANUAL_COMMIT, ManualCommit.class);
        var poll = polls.get();
        if (poll == null || poll.consumer != place.consumer()) {
            poll = new Poll(place.consumer(), new LinkedHashMap<>(), new HashMap<>());
            polls.set(poll);
        }
        var integration = machinery().integrations.get(system + "/" + entity);
        var job = concerns(integration, message) ? begin(integration, message, poll) : null;
        poll.partitions.computeIfAbsent(place.partition(), partition -> new ArrayList<>()).add(new Message(place, job));
        if (message.getMessage().getHeader(KafkaConstants.LAST_POLL_RECORD, false, Boolean.class)) {
            polls.remove();
            end(poll.partitions.values());
        }
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

    private Job begin(Integration integration, Exchange message, Poll poll) {
        var recordId = message.getMessage().getHeader(KafkaConstants.KEY, String.class);
        var waiting = poll.jobs.get(recordId);
        if (waiting != null && !waiting.begun.get()) {
            return waiting; // it will see this change, too
        }
        var work = new Work(integration, recordId,
                message.getMessage().getHeader(KafkaConstants.PARTITION) + "/" + message.getMessage().getHeader(KafkaConstants.OFFSET),
                message.getMessage().getHeader("changed_at", Long.class), false, false);
        var begun = new AtomicBoolean();
        var job = new Job(begun, CompletableFuture.runAsync(() -> {
            begun.set(true);
            sync(work);
        }, workers(integration.system())));
        poll.jobs.put(recordId, job);
        return job;
    }

    private static void end(Collection<List<Message>> partitions) throws Exception {
        Exception reason = null;
        for (var messages : partitions) {
            ManualCommit done = null;
            for (var message : messages) {
                try {
                    if (message.job != null) {
                        message.job.end.join();
                    }
                    done = message.place;
                } catch (CompletionException e) {
                    reason = e.getCause() instanceof Exception cause ? cause : e;
                    break;
                }
            }
            if (done != null) {
                done.commit();
            }
        }
        if (reason != null) {
            throw reason;
        }
    }

    /**
     * Looks at a record that no change asks for. In: the variables system, entity, record_id; cause; background, true for work that others go before; and
     * unlisted, true when a reconcile did not find its object in the list.
     */
    public void look(Exchange exchange) {
        sync(new Work(machinery().integrations.get(exchange.getVariable("system", String.class) + "/" + exchange.getVariable("entity", String.class)),
                exchange.getVariable("record_id", String.class), exchange.getVariable("cause", String.class), null,
                exchange.getVariable("background", false, Boolean.class), exchange.getVariable("unlisted", false, Boolean.class)));
    }

    private void sync(Work work) {
        try {
            machinery().writer.sync(work);
        } catch (DataIntegrityViolationException e) {
            LOG.error("{} {}: skipped a message whose key cannot be the id of a record: {}", work.integration().system(), work.integration().entity(), work.cause());
        }
    }

    private Executor workers(String system) {
        return workers.computeIfAbsent(system, name -> {
            int threads = Integer.parseInt(concurrency.getOrDefault(name, CONCURRENCY));
            return camel.getExecutorServiceManager().newThreadPool(this, name, threads, threads);
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
                    new Writer(camel, new Claims(dataSource, camel), failures, circuits, camel.getRegistry().findSingleByType(MeterRegistry.class)));
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
    }
}
