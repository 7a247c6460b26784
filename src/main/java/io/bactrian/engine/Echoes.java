package io.bactrian.engine;

import static io.bactrian.state.States.get;
import static io.bactrian.state.States.same;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.bactrian.engine.Hub.Conflict;
import io.bactrian.state.Link;
import io.bactrian.state.Policies;
import io.bactrian.state.Side;
import io.bactrian.state.States;
import io.bactrian.state.Times;
import java.time.Instant;
import java.util.Comparator;
import java.util.List;

/**
 * Our own writes, as the other system tells of them: echoes, and the edits that they replaced unseen. {@link Link#unechoed} holds, by revision of a write whose event has not come:
 *
 * <ul>
 *   <li>{@code open}: whether the outcome of that write is unknown, or was when it was given up for another one
 *   <li>{@code looked}: true when the object has been read since
 *   <li>{@code known}: by field, what it may replace without anybody having edited it: what the remote had there when it was sent, what it has since, and what other writes
 *       of unknown outcome may have put there
 * </ul>
 */
final class Echoes {

    /**
     * An event may never come: the write changed nothing there, or the remote sends no keys. So what is remembered has an end: in all about as much as an event is long. What
     * is left out may hide an edit that a write replaced, and nothing else.
     */
    private static final int CHARACTERS = 16_000;
    private static final int WRITES = 20;

    private static final String KNOWN = "known";

    private Echoes() {
    }

    /** Notes the write that is in flight, until its event comes and tells what it replaced. */
    static void expect(Link link, List<String> fields, boolean open) {
        var before = get(get(link.unechoed, Long.toString(link.revision)), KNOWN);
        var known = States.empty();
        if (!link.doing("create")) {
            for (var field : fields) {
                var values = known.arrayNode();
                get(before, field).forEach(values::add);
                values.add(get(link.remoteBase, field));
                if (link.doing("update") && States.names(link.inFlight, field)) {
                    values.add(link.inFlight.get(field));
                }
                known.set(field, values);
            }
        }
        var write = States.empty().put("open", open);
        write.set(KNOWN, shortest(known));
        link.unechoed = newest(States.with(link.unechoed, Long.toString(link.revision), write));
    }

    /** The write that is in flight is given up for another one: what it may replace, that may, too. */
    static void handOn(Link link) {
        var before = get(link.unechoed, Long.toString(link.revision));
        if (before.isObject()) {
            link.unechoed = States.with(link.unechoed, Long.toString(link.revision + 1), before);
        }
    }

    /** The write that was in flight was not done: no event will tell of it. */
    static void forget(Link link) {
        if (link.unechoed != null) {
            var left = States.without(link.unechoed, List.of(Long.toString(link.revision)));
            link.unechoed = left.isEmpty() ? null : left;
        }
    }

    /** Whether there is a write of unknown outcome since which the object has not been read. */
    static boolean isUnsure(Link link) {
        return States.names(link.unechoed).stream().map(revision -> link.unechoed.get(revision)).anyMatch(write -> write.path("open").asBoolean() && !write.has("looked"));
    }

    /** The object has been read. */
    static void looked(Link link) {
        var looked = States.empty();
        States.names(link.unechoed).forEach(revision -> looked.set(revision, States.join(link.unechoed.get(revision)).put("looked", true)));
        link.unechoed = looked.isEmpty() ? null : looked;
    }

    private static ObjectNode shortest(ObjectNode known) {
        var kept = States.empty();
        int size = 0;
        for (var field : States.names(known).stream().sorted(Comparator.comparing((String name) -> known.get(name).toString().length()).thenComparing(Comparator.naturalOrder())).toList()) {
            size += known.get(field).toString().length();
            if (size <= CHARACTERS) {
                kept.set(field, known.get(field));
            }
        }
        return kept;
    }

    private static ObjectNode newest(ObjectNode writes) {
        var kept = States.empty();
        int size = 0;
        for (var revision : States.names(writes).stream().sorted(Comparator.comparingLong((String one) -> Long.parseLong(one)).reversed()).toList()) {
            size += writes.get(revision).toString().length();
            if (kept.isEmpty() || kept.size() < WRITES && size <= CHARACTERS) {
                kept.set(revision, writes.get(revision));
            }
        }
        return kept;
    }

    /**
     * Takes note that the event of a write of ours has come. If the write replaced what nobody knew of, somebody edited the field in the remote while we wrote: a conflict like
     * any other. Where the remote's edit wins, the hub takes it, and sends it back.
     *
     * @param previous what the event says was there before; null when it does not tell
     */
    static void take(Hub hub, Link link, String revision, ObjectNode remote, ObjectNode previous, Policies policies) {
        var known = get(get(link.unechoed, revision), KNOWN);
        link.unechoed = tellOthers(link.unechoed, revision, known, remote);
        var take = States.empty();
        ObjectNode record = null;
        for (var field : previous == null ? List.<String>of() : States.names(known)) {
            var replaced = get(previous, field);
            if (same(replaced, get(remote, field)) || !policies.leftToRemote(List.of(field)).isEmpty() /* steps of its own may lie between */ || has(known.get(field), replaced)) {
                continue;
            }
            record = record == null ? hub.lock(link.recordId) : record;
            var winner = winner(hub, link, record, field, remote, replaced, policies.word(field));
            hub.conflict(link, new Conflict(field, get(known.get(field), 0), get(remote, field), replaced, winner, "edited there while we wrote, policy " + policies.word(field)));
            if (winner == Side.REMOTE) {
                take.set(field, replaced);
            }
        }
        if (link.unechoed == null) {
            link.lateEdits = null;
        }
        if (!take.isEmpty()) {
            hub.write("", link.recordId, take, written -> { });
        }
    }

    private static JsonNode get(JsonNode array, int index) {
        return array.path(index).isMissingNode() ? null : array.get(index);
    }

    private static JsonNode get(JsonNode state, String field) {
        return States.get(state, field);
    }

    private static boolean has(JsonNode values, JsonNode value) {
        for (var one : values) {
            if (same(one, value)) {
                return true;
            }
        }
        return false;
    }

    private static Side winner(Hub hub, Link link, ObjectNode record, String field, ObjectNode remote, JsonNode replaced, String word) {
        var late = get(link.lateEdits, field);
        if (!stands(link, record, field, get(remote, field)) || word.equals("newest") && !(late.has("value") && same(late.get("value"), replaced))) {
            return Side.HUB;
        }
        return Policies.winner(word, hub.table().tellsChange() ? Link.time(record, "updated_at") : null, late.hasNonNull("at") ? Times.instant(late.get("at").decimalValue()) : null);
    }

    /** What this write put there, as the remote spells it, the next ones knew of. */
    private static ObjectNode tellOthers(ObjectNode writes, String revision, JsonNode known, ObjectNode remote) {
        var left = States.empty();
        for (var write : States.names(writes)) {
            if (write.equals(revision)) {
                continue;
            }
            var told = States.empty();
            get(writes.get(write), KNOWN).fields().forEachRemaining(field -> {
                var values = (ArrayNode) field.getValue().deepCopy();
                if (Long.parseLong(write) > Long.parseLong(revision) && known.has(field.getKey())) {
                    values.add(get(remote, field.getKey()));
                }
                told.set(field.getKey(), values);
            });
            left.set(write, States.with(writes.get(write), KNOWN, told));
        }
        return left.isEmpty() ? null : left;
    }

    /** Whether what we wrote to a field still stands on both sides. */
    private static boolean stands(Link link, ObjectNode record, String field, JsonNode written) {
        return record != null && same(get(record, field), get(link.hubBase, field)) && same(get(link.remoteBase, field), written);
    }

    /**
     * An edit in the remote that is told of too late to be merged. It may be one that a write of ours has replaced: its time then decides who should have won. Whether it is one,
     * only the event of our write knows, which comes later, or was here.
     */
    static void noteLateEdit(Incoming hub, Link link, ObjectNode remote, List<String> edited, Instant at, Policies policies) {
        if (link.unechoed != null) {
            var seconds = Times.seconds(at);
            var late = States.join(link.lateEdits);
            for (var field : edited) {
                var known = get(get(link.lateEdits, field), "at");
                if (known.isNull() || known.decimalValue().compareTo(seconds) <= 0) {
                    var edit = States.empty();
                    edit.set("value", get(remote, field));
                    edit.put("at", seconds);
                    late.set(field, edit);
                }
            }
            link.lateEdits = late;
        }
        if (!policies.usual().equals("newest")) {
            return;
        }
        ObjectNode record = null;
        for (var conflict : hub.replaced(link, States.pick(remote, edited))) {
            record = record == null ? hub.lock(link.recordId) : record;
            if (stands(link, record, conflict.field(), conflict.local())
                    && Policies.winner("newest", hub.table().tellsChange() ? Link.time(record, "updated_at") : null, at) == Side.REMOTE) {
                hub.overturn(conflict);
                var value = States.empty();
                value.set(conflict.field(), conflict.remote());
                hub.write("", link.recordId, value, written -> { });
            }
        }
    }
}
