package io.bactrian.store;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.bactrian.engine.NextStep;
import io.bactrian.engine.NextStep.Claim;
import io.bactrian.engine.Outgoing;
import io.bactrian.engine.Refusal;
import io.bactrian.engine.Refusal.Failure;
import io.bactrian.engine.Settlement;
import io.bactrian.engine.Settlement.Answer;
import io.bactrian.state.Link;
import io.bactrian.state.Policies;
import io.bactrian.state.States;
import io.bactrian.state.Table;
import io.bactrian.state.Unfit;
import java.time.Instant;
import java.util.List;
import java.util.function.Consumer;
import org.springframework.dao.DataAccessException;
import org.springframework.jdbc.core.JdbcTemplate;
import org.springframework.transaction.TransactionStatus;

/** The hub as the decision about one record sees it that may have to be written, or was: what was loaded for it, and what is to be stored with the others of its transaction. */
public final class RecordTransaction extends HubTransaction implements Outgoing {

    private final String system;
    private final String entity;
    private final String recordId;
    private final List<String> fields;
    private final boolean alone;
    private final StoredRecords stored;
    private final JsonNode loaded;
    private final LoadedEvent.About about;
    private final Instant now;
    private String instance;
    private String firstContact;
    private long token;
    private ObjectNode row;
    private boolean failing;

    /**
     * @param loaded what {@code sync.load_record} tells; null when there is nothing to do
     * @param stored what is to be stored at the end, for all records of the transaction
     * @param alone whether it is the only one: what Postgres does not take is undone; else it ends the transaction for all
     */
    RecordTransaction(JdbcTemplate postgres, TransactionStatus status, OutboundBatch.Request request, JsonNode loaded, StoredRecords stored, boolean alone) {
        super(postgres, status);
        system = request.system();
        entity = request.entity();
        recordId = request.recordId();
        fields = request.fields();
        this.alone = alone;
        this.stored = stored;
        this.loaded = loaded;
        about = loaded != null && loaded.hasNonNull("about") ? new LoadedEvent.About(entity, loaded.get("about")) : null;
        row = loaded != null && loaded.path("record") instanceof ObjectNode object ? object : null;
        failing = loaded != null && loaded.path("failing").asBoolean();
        now = loaded == null ? null : Link.time(loaded, "now");
    }

    /**
     * Takes the record for one write.
     *
     * @param firstContact the mode of the reconcile when a system is met, or off
     */
    public Claim claim(String instance, String firstContact) {
        if (loaded == null) {
            return Claim.of("none");
        } else if (loaded.path("blocked").asBoolean()) {
            return Claim.of(text("select sync.refuse_claim(?, ?, ?, null, null)", system, entity, recordId));
        }
        about.check(row);
        this.instance = instance;
        this.firstContact = firstContact;
        return new NextStep(this, link(), row, fields, Policies.of(loaded.hasNonNull("policy") ? loaded.get("policy").asText() : "newest")).claim(instance);
    }

    /** The call reached the system: see {@link Settlement#outcome}; lost when the lease is: nothing is changed, and the record is looked at again. */
    public String settle(long token, Answer answer, Policies policies) {
        this.token = token;
        return loaded == null ? "lost" : new Settlement(this, link(), answer, fields, policies).outcome();
    }

    /** The call failed: see {@link Refusal#outcome}; lost when the lease is. */
    public String fail(long token, Failure failure) {
        this.token = token;
        return loaded == null ? "lost" : new Refusal(this, link(), failure).outcome();
    }

    private Link link() {
        return new Link(loaded.get("link"));
    }

    private void store() {
        stored.flush();
    }

    private void add(String what, ObjectNode item) {
        stored.add(what, item);
    }

    private ObjectNode about() {
        return States.empty().put("system", system).put("entity", entity).put("record_id", recordId);
    }

    @Override
    public String installation() {
        return about.installation();
    }

    @Override
    public Table table() {
        return about.table();
    }

    @Override
    public Instant now() {
        return now;
    }

    @Override
    public Instant leaseEnd() {
        return Link.time(loaded, "lease_until");
    }

    /** Whether the link is older than installations: objects of it may name none. */
    public boolean isOld() {
        return loaded != null && loaded.path("link").hasNonNull("old_key_to");
    }

    @Override
    public boolean isPausedIn(boolean orStopped) {
        return loaded.path("paused_in").asBoolean() || orStopped && loaded.path("stopped_in").asBoolean();
    }

    @Override
    public boolean isAwaited() {
        return loaded.path("awaited").asBoolean();
    }

    @Override
    public String refusedMark() {
        return States.text(loaded, "refused");
    }

    @Override
    public String externalId(String entityAndId) {
        return text("select sync.external_ref(?, ?, ?)", system, States.entityOf(entityAndId), States.idOf(entityAndId));
    }

    @Override
    public boolean namesWhatIsGone(Link link, List<String> fields) {
        return table().related() && is("select sync.names_what_is_gone(jsonb_populate_record(null::sync.link, ?::jsonb), ?::text[])", link.row().toString(), array(fields));
    }

    @Override
    public External external(ObjectNode record, List<String> sent, boolean isBase) {
        if (record == null || !table().related()) {
            return new External(record, null);
        }
        return postgres.queryForObject("select p_record::text as record, p_missing as missing from sync.external(?, ?, ?::jsonb, ?::text[], ?)",
                (answer, n) -> new External(parse(answer.getString("record")), answer.getString("missing")), system, entity, record.toString(), array(sent), isBase);
    }

    @Override
    public void rowIsBack(Link link, ObjectNode record) {
        if (loaded.path("noted").asBoolean() || link.deletion != null) {
            run("select sync.row_is_back(jsonb_populate_record(null::sync.link, ?::jsonb))", link.row().toString());
            link.deletion = null;
        }
        if (States.haveParts(fields)) {
            run("select sync.parts_are_back(jsonb_populate_record(null::sync.link, ?::jsonb), ?::jsonb)", link.row().toString(), text(record));
        }
    }

    private static String text(ObjectNode state) {
        return state == null ? null : state.toString();
    }

    @Override
    public void letGoOfParts(Link link, ObjectNode record) {
        run("select sync.let_go_of_parts(jsonb_populate_record(null::sync.link, ?::jsonb), ?::jsonb)", link.row().toString(), text(record));
    }

    @Override
    public boolean hasUnknownPart(Link link) {
        return is("select sync.has_unknown_part(jsonb_populate_record(null::sync.link, ?::jsonb))", link.row().toString());
    }

    @Override
    public void holdParts(ObjectNode sent) {
        run("select sync.hold_parts(?, ?, ?, ?::jsonb)", system, entity, recordId, sent.toString());
    }

    @Override
    public boolean holdsPart(Link link, String part) {
        return is("select sync.holds_part(jsonb_populate_record(null::sync.link, ?::jsonb), ?)", link.row().toString(), part);
    }

    @Override
    public void missParts(Link link) {
        link.hubBase = new Link(object("select sync.miss_parts(?::jsonb)", link.row().toString())).hubBase;
    }

    @Override
    public String decideDeletion(Link link) {
        return text("select sync.decide_deletion(jsonb_populate_record(null::sync.link, ?::jsonb), 'out')", link.row().toString());
    }

    @Override
    public void keepObject(Link link) {
        lose(link, link.externalId, List.of(), true);
        note("note", "it was deleted here, and stays in " + system, null);
    }

    @Override
    public void holdDeletion(Link link) {
        run("update sync.link set deletion = 'held_out', parked_at = null where system = ? and entity = ? and record_id = ?", system, entity, recordId);
    }

    @Override
    public ObjectNode asMade(Link link, List<String> fields) {
        return object("select sync.as_made(jsonb_populate_record(null::sync.link, ?::jsonb), ?::text[])", link.row().toString(), array(fields));
    }

    @Override
    public void touch() {
        run("update sync.link set touched = true where system = ? and entity = ? and record_id = ?", system, entity, recordId);
    }

    @Override
    public void rest(Link link) {
        run("""
                update sync.link t set parked_at = l.parked_at, look_at = l.look_at, in_flight_op = l.in_flight_op
                  from jsonb_populate_record(null::sync.link, ?::jsonb) l
                 where t.system = l.system and t.entity = l.entity and t.record_id = l.record_id""", link.row().toString());
    }

    @Override
    public void park() {
        run("select sync.park(?, ?, ?)", system, entity, recordId);
    }

    @Override
    public void waitFor(Link link, String entityAndId, String reason) {
        run("select sync.wait_for(?, ?, ?, ?, ?)", system, entity, recordId, entityAndId, reason);
    }

    @Override
    public Long beginCall(String action) {
        if (loaded.path("clear").asBoolean() && (!action.equals("create") || firstContact.equals("off"))) {
            return loaded.get("token").asLong();
        }
        var number = text("select sync.begin_call(?, ?, ?, ?, ?, ?)", system, entity, recordId, action, instance, firstContact);
        return number == null ? null : Long.valueOf(number);
    }

    @Override
    public void answered() {
        add("answered", about().put("token", token));
    }

    @Override
    public void forgetFailureOut(boolean lastingOnly) {
        if (failing) {
            add("fit", about().put("direction", "out").put("lasting_only", lastingOnly));
        }
    }

    @Override
    public void forgetReference() {
        if (failing) {
            add("fit", about().put("direction", "out").put("code", "reference"));
        }
    }

    @Override
    public void forgetFailureIn(String recordId) {
        add("fit", about().put("direction", "in"));
    }

    @Override
    public void failure(String direction, String failureClass, String code, String reason, String requestId, String retryAfter, String mark) {
        store(); // what was to be forgotten is, before
        failing = true;
        run("select sync.record_failure(?, ?, ?, ?, ?, ?, ?, ?, ?::numeric)", system, entity, recordId, direction, failureClass, code, reason, requestId, retryAfter);
        if (mark != null) {
            run("update sync.failure set refused = ? where system = ? and entity = ? and record_id = ? and direction = 'out'", mark, system, entity, recordId);
        }
    }

    @Override
    public void unlink() {
        run("delete from sync.link where system = ? and entity = ? and record_id = ?", system, entity, recordId);
    }

    @Override
    public void pointed() {
        run("update sync.link set old_pointer = false where system = ? and entity = ? and record_id = ?", system, entity, recordId);
    }

    @Override
    public void note(String kind, String what, ObjectNode details) {
        add("notes", about().put("kind", kind).put("what", what).set("details", details));
    }

    @Override
    public boolean isAnothers(String externalId) {
        return is("select exists (select from sync.link where system = ? and entity = ? and external_id = ? and record_id <> ?)", system, entity, externalId, recordId);
    }

    @Override
    public boolean wasOurs(String externalId) {
        return is("select exists (select from sync.tombstone where system = ? and entity = ? and external_id = ? and record_id = ?)", system, entity, externalId, recordId);
    }

    @Override
    public boolean isGone(String externalId) {
        return loaded.path("gone").asBoolean();
    }

    @Override
    public boolean succeeds(Runnable action) {
        if (!alone) {
            action.run();
            return true;
        }
        store();
        var before = status.createSavepoint();
        Fault fault;
        try {
            action.run();
            store();
            return true;
        } catch (RuntimeException e) {
            fault = Fault.of(e);
        }
        status.rollbackToSavepoint(before);
        stored.clear();
        run("select sync.keep_failure(?, ?, ?, ?, ?, null)", system, entity, recordId, fault.code(), fault.message());
        return false;
    }

    @Override
    public Blame blame(Link link, Failure failure, String direction, boolean making) {
        var blame = object("select sync.blame(?, ?, ?, ?::bigint, ?, ?::boolean, ?::boolean, ?::boolean, ?, ?, ?, ?, ?, ?::boolean, ?::boolean)", system, entity, recordId,
                Long.toString(token), failure.failureClass(), Boolean.toString(failure.keySpent()), Boolean.toString(failure.unanswered()), Boolean.toString(failure.down()),
                failure.slowDown(), failure.code(), failure.reason(), failure.permission(), direction, Boolean.toString(making), Boolean.toString(link.doing("create")));
        return new Blame(blame.get("class").asText(), States.text(blame, "reason"), blame.path("key_spent").asBoolean(), blame.path("open").asBoolean());
    }

    @Override
    public ObjectNode read(String recordId) {
        return row;
    }

    @Override
    public ObjectNode lock(String recordId) {
        row = object("select sync.read(?, ?, true)", entity, recordId);
        about.check(row);
        return row;
    }

    @Override
    public ObjectNode internal(String recordId, ObjectNode state, JsonNode known) {
        if (state == null || !table().related()) {
            return state;
        }
        if (!alone) {
            return inOurs(recordId, state, known);
        }
        var before = status.createSavepoint();
        try {
            return inOurs(recordId, state, known);
        } catch (DataAccessException e) {
            var fault = Fault.of(e);
            if (!fault.code().equals("BA001")) {
                throw e;
            }
            status.rollbackToSavepoint(before);
            throw new Unfit(fault.code(), fault.message());
        }
    }

    private ObjectNode inOurs(String recordId, ObjectNode state, JsonNode known) {
        return object("select sync.internal(?, ?, ?, ?::jsonb, ?::jsonb)", system, entity, recordId, state.toString(), known.toString());
    }

    @Override
    public void write(String system, String recordId, ObjectNode values, Consumer<ObjectNode> then) {
        store();
        row = object("select p_record from sync.write(?, ?, ?::jsonb, ?)", system, entity, values.toString(), recordId);
        then.accept(row);
    }

    @Override
    public void save(Link link) {
        add("links", link.row());
    }

    @Override
    public void release(Link link) {
        add("released", link.row());
    }

    @Override
    public Link takeDeletion(Link link, String externalId, List<String> fields) {
        return lose(link, externalId, fields, false);
    }

    @Override
    public Link bury(Link link, String externalId, List<String> fields) {
        return lose(link, externalId, fields, true);
    }

    private Link lose(Link link, String externalId, List<String> fields, boolean ours) {
        var lost = new Link(object("select sync.lose_object(?::jsonb, ?, ?::text[], ?::boolean)", link.row().toString(), externalId, array(fields), Boolean.toString(ours)));
        row = object("select sync.read(?, ?)", entity, recordId);
        return lost;
    }

    @Override
    public void poke(String recordId) {
        add("pokes", about());
    }

    @Override
    public void conflict(Link link, Conflict conflict) {
        add("conflicts", EventHub.json(about(), conflict));
    }
}
