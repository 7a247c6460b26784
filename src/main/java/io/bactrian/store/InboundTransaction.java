package io.bactrian.store;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.bactrian.engine.Incoming;
import io.bactrian.engine.Judgement;
import io.bactrian.state.Link;
import io.bactrian.state.Policies;
import io.bactrian.state.States;
import io.bactrian.state.Times;
import io.bactrian.state.Unfit;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import org.springframework.dao.InvalidDataAccessApiUsageException;
import org.springframework.jdbc.core.JdbcTemplate;
import org.springframework.transaction.TransactionStatus;

/**
 * Applies events in one transaction: loads what is known of them, judges each, and stores what becomes of them, each by one statement for all. In company none waits for a
 * lock, and whatever Postgres does not take ends the transaction for all; alone an event waits, and what is not taken is a failure that the ledger keeps.
 */
final class InboundTransaction extends HubTransaction {

    private static final Map<String, String> WORDS = Map.ofEntries(
            Map.entry("created", "a new record"),
            Map.entry("applied", "applied"),
            Map.entry("conflict", "both sides had edited one field: see sync.conflict"),
            Map.entry("unchanged", "nothing new"),
            Map.entry("echo", "the echo of our own write"),
            Map.entry("deleted", "deleted"),
            Map.entry("tombstone", "too late, it is gone"),
            Map.entry("hint", "it says only that something happened, the object is read"),
            Map.entry("deferred", "not trusted by itself, the object is read"),
            Map.entry("waiting", "it waits for what it refers to"),
            Map.entry("delete_held", "its deletion waits for a person"));
    private static final Set<String> KEPT = Set.of("failed", "waiting", "held");

    private final boolean alone;
    private final List<ObjectNode> ledger = new ArrayList<>();
    private final List<ObjectNode> notes = new ArrayList<>();

    InboundTransaction(JdbcTemplate postgres, TransactionStatus status, boolean alone) {
        super(postgres, status);
        this.alone = alone;
    }

    /**
     * Applies events, none about the same object as another.
     *
     * @return what each came to; null when it is to be applied alone, because somebody has its object, or needs it to be
     */
    List<String> apply(List<InboundEvent> events, Duration patience) {
        var loaded = load(events, patience);
        var hubs = new ArrayList<EventHub>();
        for (int i = 0; i < events.size(); i++) {
            hubs.add(new EventHub(this, events.get(i), loaded.get(i)));
        }
        if (!alone) {
            loadRows(events, loaded, hubs);
        }
        var outcomes = new ArrayList<String>();
        var records = new HashSet<String>();
        for (int i = 0; i < events.size(); i++) {
            var link = loaded.get(i).link();
            // What an event before it is about to write of its record would not be seen.
            boolean isSecond = link != null && !records.add(link.entity + "/" + link.recordId);
            outcomes.add(loaded.get(i).busy() || isSecond ? null : outcome(events.get(i), loaded.get(i), hubs.get(i)));
        }
        store(hubs);
        return outcomes;
    }

    private List<LoadedEvent> load(List<InboundEvent> events, Duration patience) {
        return postgres.query(connection -> {
            var statement = connection.prepareStatement("select * from sync.load_events(?, ?, ?, ?, ?, ?, ?, ?)");
            int parameter = 0;
            for (var column : List.<Function<InboundEvent, String>>of(InboundEvent::system, InboundEvent::entity, InboundEvent::id, InboundEvent::externalId)) {
                statement.setArray(++parameter, connection.createArrayOf("text", events.stream().map(column).toArray()));
            }
            statement.setArray(++parameter, connection.createArrayOf("boolean", events.stream().map(event -> event.is("read")).toArray()));
            statement.setArray(++parameter, connection.createArrayOf("boolean", events.stream().map(InboundEvent::again).toArray()));
            statement.setBoolean(++parameter, alone);
            statement.setString(++parameter, patience.toMillis() + "ms");
            return statement;
        }, (row, n) -> LoadedEvent.of(events.get(n), row));
    }

    /** Loads and locks the rows of linked records, by table. */
    private void loadRows(List<InboundEvent> events, List<LoadedEvent> loaded, List<EventHub> hubs) {
        var byEntity = new HashMap<String, Map<String, EventHub>>();
        for (int i = 0; i < events.size(); i++) {
            if (loaded.get(i).isSimple() && !events.get(i).is("deleted") && !events.get(i).is("hint")) {
                byEntity.computeIfAbsent(events.get(i).entity(), entity -> new LinkedHashMap<>()).putIfAbsent(loaded.get(i).link().recordId, hubs.get(i));
            }
        }
        byEntity.forEach((entity, records) -> postgres.query(connection -> {
            var statement = connection.prepareStatement("select * from sync.lock_rows(?, ?)");
            statement.setString(1, entity);
            statement.setArray(2, connection.createArrayOf("text", records.keySet().toArray()));
            return statement;
        }, row -> {
            records.get(row.getString("id")).loaded(row.getBoolean("busy"), parse(row.getString("record")), row.getString("place"));
        }));
    }

    private String outcome(InboundEvent event, LoadedEvent loaded, EventHub hub) {
        if (loaded.about() == null && alone) {
            throw new InvalidDataAccessApiUsageException("the table " + event.entity() + " is not tracked: select sync.track('" + event.entity() + "')");
        } else if (loaded.about() == null) {
            return null;
        } else if (loaded.seen()) {
            return "duplicate";
        }
        if (event.waited()) {
            run("select sync.waits_no_more(?, ?, ?)", event.system(), event.entity(), event.externalId());
        }
        if (loaded.held()) {
            keep(event, "held", event, null);
            return "held";
        }
        return alone ? attempt(event, loaded, hub) : inCompany(event, hub);
    }

    private String inCompany(InboundEvent event, EventHub hub) {
        try {
            return judge(event, hub);
        } catch (EventHub.NotInCompany e) {
            hub.clear();
            return null;
        }
    }

    private String attempt(InboundEvent event, LoadedEvent loaded, EventHub hub) {
        var before = status.createSavepoint();
        try {
            var outcome = judge(event, hub);
            writeRows(List.of(hub));
            store(List.of(hub));
            run("set constraints all immediate"); // what is refused at the commit only is a failure, too
            status.releaseSavepoint(before);
            return outcome;
        } catch (RuntimeException e) {
            var fault = Fault.of(e);
            return refuse(event, hub, before, fault.code(), fault.message());
        }
    }

    private String refuse(InboundEvent event, EventHub hub, Object before, String code, String message) {
        status.rollbackToSavepoint(before);
        hub.clear();
        ledger.clear();
        notes.clear();
        var outcome = text("select sync.refuse_event(?, ?, ?, ?, ?, ?)", event.system(), event.entity(), event.id(), event.externalId(), code, message);
        keep(event, outcome, KEPT.contains(outcome) ? event : null, outcome.equals("waiting") ? message : null);
        var recordId = text("select max(record_id) from sync.link where system = ? and entity = ? and external_id = ?", event.system(), event.entity(), event.externalId());
        note(event, recordId, outcome);
        return outcome;
    }

    private String judge(InboundEvent event, EventHub hub) {
        if (event.error() != null) {
            needsToBeAlone();
            throw new Unfit("22000", event.error());
        }
        if (event.is("read")) {
            run("select sync.open_scope(?, ?, 'in')", event.system(), event.entity());
        }
        if (event.externalId() == null) {
            keep(event, "ignored", null, null);
            return "ignored";
        }
        if (event.is("hint")) {
            return hint(event, hub);
        }
        var outcome = new Judgement(hub, event.system(), event.entity(), event.event(), state(event.remote()), state(event.previous()), event.fields(),
                Policies.of(event.policy())).outcome();
        writeRowsIfAlone(hub);
        if (outcome.equals("hint")) {
            keep(event, outcome, event.hint(), null);
        } else {
            keep(event, outcome, null, null);
            if (event.is("look") && !Set.of("ignored", "foreign", "tombstone").contains(outcome)) {
                hub.afterwards(() -> look(event, hub));
            }
        }
        hub.afterwards(() -> note(event, hub.recordOf(event.externalId()), outcome));
        return outcome;
    }

    private void writeRowsIfAlone(EventHub hub) {
        if (alone) {
            writeRows(List.of(hub));
        }
    }

    /** A hint of a linked object makes its worker read it; any other one waits in the ledger for those who read. */
    private String hint(InboundEvent event, EventHub hub) {
        var link = hub.linked();
        var outcome = link == null ? hub.isGone(event.externalId()) ? "tombstone" : "hint" : link.deletedAt != null ? "tombstone" : "hint";
        if (link != null && link.deletedAt == null) {
            look(event, hub);
        }
        keep(event, outcome, link == null && outcome.equals("hint") ? event : null, null);
        note(event, link == null ? null : link.recordId, outcome);
        return outcome;
    }

    private static void look(InboundEvent event, EventHub hub) {
        if (hub.linked() == null) {
            return;
        }
        hub.linked().lookAt = Link.latest(hub.linked().lookAt, Times.ofSeconds(States.text(event.event(), "at")));
        hub.save(hub.linked());
        hub.poke(hub.linked().recordId);
    }

    private static ObjectNode state(String json) {
        try {
            return States.parse(json);
        } catch (JsonProcessingException e) {
            throw new Unfit("22P02", "invalid input syntax for type json");
        } catch (ClassCastException e) {
            throw new Unfit("22P02", "it is JSON, but no object");
        }
    }

    private void keep(InboundEvent event, String outcome, InboundEvent kept, String waitsFor) {
        var row = States.empty().put("system", event.system()).put("event_id", event.id()).put("entity", event.entity()).put("type", States.text(event.event(), "type"))
                .put("at", States.text(event.event(), "at")).put("external_id", event.externalId()).put("outcome", outcome).put("waits_for", waitsFor);
        row.set("held", kept == null ? null : kept.kept());
        ledger.add(row);
    }

    private void note(InboundEvent event, String recordId, String outcome) {
        if (recordId == null) {
            return;
        }
        var note = States.empty().put("entity", event.entity()).put("record_id", recordId).put("system", event.system()).put("at", States.text(event.event(), "at"))
                .put("what", "%s from %s: %s".formatted(States.text(event.event(), "type"), event.system(), WORDS.getOrDefault(outcome, outcome)));
        note.putObject("details").put("event_id", event.id()).put("request_id", States.text(event.event(), "request")).put("external_id", event.externalId());
        notes.add(note);
    }

    /** Writes the rows that are to be written, those of the same table and columns by one statement, until there are none. */
    void writeRows(Collection<EventHub> hubs) {
        for (var due = take(hubs); !due.isEmpty(); due = take(hubs)) {
            due.forEach((statement, rows) -> {
                if (statement.alone()) {
                    rows.forEach(row -> writeOne(statement, row));
                } else {
                    write(statement, rows);
                }
            });
        }
    }

    /** Rows that one statement writes. */
    private record Statement(String system, String entity, List<String> columns, boolean made, boolean imported, boolean alone) {
    }

    private static Map<Statement, List<EventHub.Row>> take(Collection<EventHub> hubs) {
        var due = new LinkedHashMap<Statement, List<EventHub.Row>>();
        for (var hub : hubs) {
            for (var row : List.copyOf(hub.rows)) {
                var statement = new Statement(row.system(), hub.table().name(), States.names(row.values()), row.id() == null, row.imported(), hub.table().parts());
                due.computeIfAbsent(statement, key -> new ArrayList<>()).add(row);
            }
            hub.rows.clear();
        }
        return due;
    }

    private void write(Statement statement, List<EventHub.Row> rows) {
        var written = new LinkedHashMap<String, ObjectNode>();
        postgres.query(connection -> {
            var prepared = connection.prepareStatement(statement.made() ? "select * from sync.insert_rows(?, ?, ?, ?, ?)" : "select * from sync.update_rows(?, ?, ?, ?, ?, ?)");
            prepared.setString(1, statement.system());
            prepared.setString(2, statement.entity());
            prepared.setArray(3, connection.createArrayOf("text", statement.columns().toArray()));
            var values = connection.createArrayOf("text", rows.stream().map(row -> row.values().toString()).toArray());
            if (statement.made()) {
                prepared.setArray(4, values);
                prepared.setBoolean(5, statement.imported());
            } else {
                prepared.setArray(4, connection.createArrayOf("text", rows.stream().map(EventHub.Row::id).toArray()));
                prepared.setArray(5, values);
                prepared.setArray(6, connection.createArrayOf("text", rows.stream().map(EventHub.Row::place).toArray()));
            }
            return prepared;
        }, row -> {
            written.put(row.getString("id"), parse(row.getString("record")));
        });
        if (written.size() != rows.size()) {
            throw new Unfit("23000", "a trigger keeps %s from being changed".formatted(rows.size() > 1 || statement.made() ? statement.entity() : statement.entity() + " " + rows.get(0).id()));
        }
        var made = List.copyOf(written.keySet());
        for (int i = 0; i < rows.size(); i++) {
            var id = statement.made() ? made.get(i) : rows.get(i).id();
            rows.get(i).then().accept(id, written.get(id));
        }
    }

    private void writeOne(Statement statement, EventHub.Row row) {
        if (statement.made()) {
            run("select set_config('sync.importing', ?, true)", statement.imported() ? "on" : "off");
        }
        postgres.query("select * from sync.write(?, ?, ?::jsonb, ?)", answer -> {
            row.then().accept(answer.getString("p_record_id"), parse(answer.getString("p_record")));
        }, statement.system(), statement.entity(), row.values().toString(), row.id());
        if (statement.made()) {
            run("select set_config('sync.importing', 'off', true)");
        }
    }

    /** Stores what became of events, and what follows from it. */
    void store(Collection<EventHub> hubs) {
        writeRows(hubs);
        hubs.forEach(EventHub::end);
        var all = States.empty();
        var links = all.putArray("links");
        var wholes = all.putArray("wholes");
        var made = all.putArray("made");
        var released = all.putArray("released");
        for (var hub : hubs) {
            hub.saved.forEach(link -> (hub.table().parts() ? wholes : links).add(link.row()));
            hub.made.forEach(link -> made.add(link.row()));
            hub.released.forEach(link -> released.add(link.row()));
        }
        put(all, "conflicts", hubs, hub -> hub.conflicts);
        put(all, "gone", hubs, hub -> hub.gone);
        put(all, "fit", hubs, hub -> hub.fit);
        put(all, "ours", hubs, hub -> hub.ours);
        put(all, "pokes", hubs, hub -> hub.pokes);
        all.putArray("events").addAll(ledger);
        all.putArray("notes").addAll(notes);
        run("select sync.store_inbound(?::jsonb)", all.toString());
        hubs.forEach(EventHub::clear);
        ledger.clear();
        notes.clear();
    }

    private static void put(ObjectNode all, String name, Collection<EventHub> hubs, Function<EventHub, List<ObjectNode>> what) {
        var array = all.putArray(name);
        hubs.forEach(hub -> array.addAll(what.apply(hub)));
    }

    /** What is done next waits for others' locks, and is about more than was loaded. */
    void needsToBeAlone() {
        if (!alone) {
            throw new EventHub.NotInCompany();
        }
    }

    Link link(String system, String entity, String recordId) {
        var row = object("select to_jsonb(l.*) from sync.link l where system = ? and entity = ? and record_id = ? for update", system, entity, recordId);
        return row == null ? null : new Link(row);
    }

    List<Incoming.Replaced> replaced(Link link, ObjectNode values) {
        return postgres.query("select * from sync.replaced_unseen(?, ?, ?, ?::jsonb)", (row, n) -> new Incoming.Replaced(row.getLong("id"), row.getString("field"),
                node(row.getString("local")), node(row.getString("remote"))), link.system, link.entity, link.recordId, values.toString());
    }
}
