package io.bactrian.store;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.bactrian.engine.Incoming;
import io.bactrian.state.Link;
import io.bactrian.state.States;
import io.bactrian.state.Table;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.function.BiConsumer;
import java.util.function.Consumer;

/** The hub as one event sees it: what was loaded for it, and what is to be stored together with what becomes of the others in its transaction. */
final class EventHub implements Incoming {

    /** What is to be done needs more than was loaded, and waits for others' locks: by itself. */
    static final class NotInCompany extends RuntimeException {

        private static final long serialVersionUID = 1;

        NotInCompany() {
            super(null, null, false, false);
        }
    }

    /** A row to be written; {@code id} is null when it is a new one. {@code place} is where it was when it was read, null when that does not matter. */
    record Row(String system, String id, String place, ObjectNode values, boolean imported, BiConsumer<String, ObjectNode> then) {
    }

    private final InboundTransaction transaction;
    private final InboundEvent event;
    private final LoadedEvent loaded;
    private Link linked;
    private boolean rowKnown;
    private boolean rowBusy;
    private ObjectNode row;
    private String place;

    /** What is to be stored. */
    final List<Row> rows = new ArrayList<>();
    final Set<Link> saved = new LinkedHashSet<>();
    final List<Link> made = new ArrayList<>();
    final List<Link> released = new ArrayList<>();
    final List<ObjectNode> conflicts = new ArrayList<>();
    final List<ObjectNode> gone = new ArrayList<>();
    final List<ObjectNode> fit = new ArrayList<>();
    final List<ObjectNode> ours = new ArrayList<>();
    final List<ObjectNode> pokes = new ArrayList<>();
    private final List<Runnable> afterwards = new ArrayList<>();

    EventHub(InboundTransaction transaction, InboundEvent event, LoadedEvent loaded) {
        this.transaction = transaction;
        this.event = event;
        this.loaded = loaded;
        linked = loaded.link();
    }

    /** The row of the linked record was loaded, and is locked, or somebody has it; the record is null when there is none. */
    void loaded(boolean busy, ObjectNode record, String where) {
        row = record;
        place = where;
        rowBusy = busy;
        rowKnown = !busy;
    }

    private void written(ObjectNode record) {
        loaded(false, record, null);
    }

    /** The record that an object has by now; null when it has none. */
    String recordOf(String externalId) {
        return linked != null && externalId.equals(linked.externalId) ? linked.recordId : null;
    }

    /** The link of the event's object by now; null when it has none. */
    Link linked() {
        return linked;
    }

    @Override
    public String installation() {
        return loaded.about().installation();
    }

    @Override
    public Table table() {
        return loaded.about().table();
    }

    @Override
    public Link linkOf(String externalId) {
        return linked;
    }

    @Override
    public Link link(String recordId) {
        if (linked != null && linked.recordId.equals(recordId)) {
            return linked;
        }
        transaction.needsToBeAlone();
        var found = transaction.link(event.system(), event.entity(), recordId);
        linked = linked == null ? found : linked;
        return found;
    }

    @Override
    public boolean isGone(String externalId) {
        return loaded.gone();
    }

    @Override
    public String recordId(String text) {
        return text == null ? null : transaction.text("select sync.id(?, ?)", event.entity(), text);
    }

    @Override
    public ObjectNode read(String recordId) {
        if (knows(recordId)) {
            return row;
        }
        return transaction.object("select sync.read(?, ?)", event.entity(), recordId);
    }

    @Override
    public ObjectNode lock(String recordId) {
        if (!knows(recordId)) {
            if (rowBusy) {
                transaction.needsToBeAlone();
            }
            written(transaction.object("select sync.read(?, ?, true)", event.entity(), recordId));
        }
        loaded.about().check(row);
        return row;
    }

    private boolean knows(String recordId) {
        if (!rows.isEmpty()) {
            transaction.writeRows(List.of(this)); // it is asked what was made of it
        }
        return rowKnown && linked != null && linked.recordId.equals(recordId);
    }

    @Override
    public ObjectNode internal(String recordId, ObjectNode state, JsonNode known) {
        return state == null || !table().related() ? state
                : transaction.object("select sync.internal(?, ?, ?, ?::jsonb, ?::jsonb)", event.system(), event.entity(), recordId, state.toString(), known.toString());
    }

    @Override
    public boolean hasFailureOut(String recordId) {
        return loaded.refused() || loaded.link() == null && Objects.equals("t", transaction.text(
                "select exists (select from sync.failure where system = ? and entity = ? and record_id = ? and direction = 'out')", event.system(), event.entity(), recordId));
    }

    @Override
    public void write(String system, String recordId, ObjectNode values, Consumer<ObjectNode> then) {
        rows.add(new Row(system, recordId, place, values, false, (id, record) -> {
            written(record);
            then.accept(record);
        }));
    }

    @Override
    public void insert(ObjectNode values, boolean imported, BiConsumer<String, ObjectNode> then) {
        rows.add(new Row(event.system(), null, null, values, imported, (id, record) -> {
            written(record);
            then.accept(id, record);
        }));
    }

    @Override
    public void linkNew(Link link, JsonNode remote) {
        linked = link;
        made.add(link);
        if (table().parts()) {
            transaction.store(List.of(this));
            transaction.run("select sync.note_parts(?, ?, ?, ?::jsonb)", link.system, link.entity, link.recordId, remote.toString());
        }
    }

    @Override
    public void ensureLink(String recordId) {
        transaction.needsToBeAlone();
        transaction.run("insert into sync.link (system, entity, record_id) values (?, ?, ?) on conflict do nothing", event.system(), event.entity(), recordId);
    }

    @Override
    public void save(Link link) {
        saved.add(link);
    }

    @Override
    public void release(Link link) {
        released.add(link);
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
        transaction.store(List.of(this));
        linked = new Link(transaction.object("select sync.lose_object(?::jsonb, ?, ?::text[], ?::boolean)", link.row().toString(), externalId,
                HubTransaction.array(fields), Boolean.toString(ours)));
        return linked;
    }

    @Override
    public void noteGone(String externalId) {
        gone.add(about("external_id", externalId));
    }

    @Override
    public void noteForeign(String externalId, String installation, String recordId) {
        transaction.run("select sync.note_foreign(?, ?, ?, ?, ?)", event.system(), event.entity(), externalId, installation, recordId);
    }

    @Override
    public void forgetForeign(String externalId) {
        ours.add(about("external_id", externalId));
    }

    @Override
    public void poke(String recordId) {
        pokes.add(about("record_id", recordId));
    }

    @Override
    public void forgetFailureIn(String recordId) {
        fit.add(about("record_id", recordId));
    }

    @Override
    public void conflict(Link link, Conflict conflict) {
        conflicts.add(json(about("record_id", link.recordId), conflict));
    }

    /** A row of sync.conflict. */
    static ObjectNode json(ObjectNode about, Conflict conflict) {
        about.put("field", conflict.field()).put("winner", conflict.winner().word()).put("reason", conflict.reason());
        set(about, "base", conflict.base());
        set(about, "local", conflict.local());
        set(about, "remote", conflict.remote());
        return about;
    }

    private static void set(ObjectNode object, String name, JsonNode value) {
        if (value != null) {
            object.set(name, value);
        }
    }

    @Override
    public List<Replaced> replaced(Link link, ObjectNode values) {
        return transaction.replaced(link, values);
    }

    @Override
    public void overturn(Replaced conflict) {
        transaction.run("update sync.conflict set winner = 'remote' where id = ?::bigint", Long.toString(conflict.id()));
    }

    private ObjectNode about(String name, String value) {
        return States.empty().put("system", event.system()).put("entity", event.entity()).put(name, value);
    }

    /** To be done once its rows are written. */
    void afterwards(Runnable action) {
        afterwards.add(action);
    }

    /** Its rows are written. */
    void end() {
        var due = List.copyOf(afterwards);
        afterwards.clear();
        due.forEach(Runnable::run);
    }

    /** Nothing is to be stored any more: it is, or is not to be. */
    void clear() {
        List.of(rows, saved, made, released, conflicts, gone, fit, ours, pokes, afterwards).forEach(Collection::clear);
    }
}
