package io.bactrian.sync;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.bactrian.engine.NextStep.Claim;
import io.bactrian.engine.Refusal.Failure;
import io.bactrian.engine.Settlement.Answer;
import io.bactrian.state.Policies;
import io.bactrian.state.States;
import io.bactrian.state.Times;
import io.bactrian.state.Unfit;
import io.bactrian.store.HubTransaction;
import io.bactrian.store.OutboundBatch;
import io.bactrian.store.OutboundBatch.Request;
import io.bactrian.store.RecordTransaction;
import java.time.DateTimeException;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Executor;
import javax.sql.DataSource;
import org.apache.camel.CamelContext;
import org.apache.camel.Exchange;
import org.springframework.dao.DataAccessException;
import org.springframework.dao.DataIntegrityViolationException;
import org.springframework.jdbc.core.JdbcTemplate;

/** Takes records for a write, and ends it. */
final class Claims {

    /** The row is locked, or its table cannot be seen: the record waits. */
    private static final Set<String> OBSTACLES = Set.of("55P03", "40P01", "42501", "42703", "42P01", "BA002");
    /** Clocks differ: what was made so many seconds before is looked at, too. */
    private static final long MARGIN = 300;

    private static final String RENEWAL = "update sync.link set lease_until = clock_timestamp() + ?::interval"
            + " where system = ? and entity = ? and record_id = ? and lease_token = ? returning true";

    private final JdbcTemplate postgres;
    private final OutboundBatch batch;
    private final String lease;
    private final String instance;
    private final String firstContact;

    Claims(DataSource dataSource, CamelContext camel) {
        this(dataSource, camel.resolvePropertyPlaceholders("{{sync.lease}}"), camel.resolvePropertyPlaceholders("{{instance.id}}"),
                camel.resolvePropertyPlaceholders("{{reconcile.first-contact}}"), Duration.ofSeconds(5), camel.getExecutorServiceManager().newCachedThreadPool(Claims.class, "claims"));
    }

    /** @param patience how long others' locks are waited for */
    Claims(DataSource dataSource, String lease, String instance, String firstContact, Duration patience, Executor executor) {
        postgres = new JdbcTemplate(dataSource);
        batch = new OutboundBatch(dataSource, executor, lease, patience);
        this.lease = lease;
        this.instance = instance;
        this.firstContact = firstContact;
    }

    /**
     * Takes a record.
     *
     * @return what {@link Claim} says of it, JSON as text, with {@code since}: seconds since the epoch, from when on an object of it may have been made; {@code hub}: this
     *         installation, null for a request of before there was one, which stays as it was; {@code unnamed}: whose an object is that names no installation, or empty
     */
    Map<String, Object> claim(Work work) {
        var integration = work.integration();
        return claim(integration.system(), integration.entity(), work.recordId(), integration.fields());
    }

    Map<String, Object> claim(String system, String entity, String recordId, List<String> fields) {
        HubTransaction.Fault fault;
        try {
            return batch.decide(new Request(system, entity, recordId, fields, null, null, true, record -> row(record, record.claim(instance, firstContact))));
        } catch (Unfit | DataAccessException e) {
            fault = HubTransaction.Fault.of(e);
            if (!OBSTACLES.contains(fault.code())) {
                throw e;
            }
        } catch (IllegalStateException | IllegalArgumentException | NullPointerException | ClassCastException | DateTimeException e) {
            throw new DataIntegrityViolationException("what is to be done cannot be decided (" + e.getClass().getSimpleName() + ")", e);
        }
        var action = postgres.queryForObject("select sync.refuse_claim(?, ?, ?, ?, ?)", String.class, system, entity, recordId, fault.code(), fault.message());
        return row(null, Claim.of(action));
    }

    private static Map<String, Object> row(RecordTransaction record, Claim claim) {
        var row = new HashMap<String, Object>();
        row.put("action", claim.action());
        row.put("token", claim.token());
        row.put("external_id", claim.externalId());
        row.put("key_prefix", claim.keyPrefix());
        row.put("record", claim.record() == null ? null : claim.record().toString());
        row.put("base", claim.base() == null ? null : claim.base().toString());
        if (claim.token() != null) {
            row.put("lease_nanos", Duration.between(record.now(), record.leaseEnd()).toNanos());
            row.put("since", claim.inFlightAt() == null ? null : Times.seconds(claim.inFlightAt()).longValue() - MARGIN);
            row.put("hub", claim.keyPrefix().startsWith("bactrian:" + record.installation() + ":") ? record.installation() : null);
            row.put("unnamed", record.isOld() ? record.installation() : "");
        }
        return row;
    }

    /** The lease of a claim that is about to make its calls; {@code since}: when it was asked for, by {@link System#nanoTime}. */
    Lease lease(Work work, Map<String, Object> claim, long since) {
        var integration = work.integration();
        return new Lease((Long) claim.get("lease_nanos"), since, () -> !postgres.queryForList(RENEWAL, Boolean.class, lease, integration.system(), integration.entity(),
                work.recordId(), claim.get("token")).isEmpty());
    }

    /** The write succeeded, with what the exchange's variables say of the answer. */
    void settle(Work work, Object token, Exchange exchange) {
        var integration = work.integration();
        var details = States.empty().put("request_id", text(exchange, "request_id")).put("offset", work.cause());
        settle(integration.system(), integration.entity(), work.recordId(), integration.fields(), integration.policy(), (Long) token, text(exchange, "external_id"),
                text(exchange, "remote"), text(exchange, "at"), Boolean.parseBoolean(text(exchange, "stale")), details);
    }

    String settle(String system, String entity, String recordId, List<String> fields, String policy, long token, String externalId, String remote, String at, boolean stale,
            ObjectNode details) {
        try {
            var answer = new Answer(externalId, States.parse(remote), at == null ? null : Times.ofSeconds(at.strip()), stale, details);
            return batch.decide(new Request(system, entity, recordId, fields, token, externalId, true, record -> record.settle(token, answer, Policies.of(policy))));
        } catch (Unfit | JsonProcessingException | IllegalStateException | IllegalArgumentException | NullPointerException | ClassCastException | DateTimeException e) {
            throw new DataIntegrityViolationException("the answer is none that can be kept", e);
        }
    }

    /** The write failed, as the exchange's variables say. */
    void fail(Work work, Object token, Exchange exchange) {
        var integration = work.integration();
        fail(integration.system(), integration.entity(), work.recordId(), integration.fields(), (Long) token, new Failure(text(exchange, "class"),
                Boolean.parseBoolean(text(exchange, "key_spent")), Boolean.parseBoolean(text(exchange, "unanswered")), Boolean.parseBoolean(text(exchange, "down")),
                text(exchange, "slow_down"), text(exchange, "code"), text(exchange, "reason"), text(exchange, "request_id"), text(exchange, "retry_after"),
                text(exchange, "permission"), States.empty().put("offset", work.cause())));
    }

    String fail(String system, String entity, String recordId, List<String> fields, long token, Failure failure) {
        return batch.decide(new Request(system, entity, recordId, fields, token, null, false, record -> record.fail(token, failure)));
    }

    private static String text(Exchange exchange, String variable) {
        return exchange.getVariable(variable, String.class);
    }
}
