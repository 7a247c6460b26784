package io.bactrian.engine;

import static io.bactrian.state.States.get;
import static io.bactrian.state.States.isPart;
import static io.bactrian.state.States.join;
import static io.bactrian.state.States.moved;
import static io.bactrian.state.States.same;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.bactrian.engine.Hub.Conflict;
import io.bactrian.state.Link;
import io.bactrian.state.Policies;
import io.bactrian.state.Side;
import io.bactrian.state.States;
import io.bactrian.state.Table;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;

/**
 * The three-way merge of a state of the remote into a record, field by field: what the remote moved is taken, what only the hub moved is kept, and what both did is a
 * conflict, which the policy decides. Pure: {@link #into} carries it out.
 */
public final class Merge {

    private final Link link;
    private final ObjectNode record;
    private final ObjectNode remote;
    private final Instant editedAt;
    private final List<String> fields;
    private final Policies policies;
    private final Table table;
    private final ObjectNode take = States.empty();
    private final ObjectNode agreed = States.empty();
    private final List<Conflict> conflicts = new ArrayList<>();
    private boolean conflict;
    private ObjectNode written;

    /**
     * @param record as it is, null when it was deleted here
     * @param remote in canonical form
     * @param editedAt when the remote was edited, for the policy
     * @param fields those that are synced, each part by its name
     */
    public Merge(Link link, ObjectNode record, ObjectNode remote, Instant editedAt, List<String> fields, Policies policies, Table table) {
        this.link = link;
        this.record = record;
        this.remote = remote;
        this.editedAt = editedAt;
        this.fields = fields;
        this.policies = policies;
        this.table = table;
        written = record;
        var moved = moved(link.remoteBase, remote, fields);
        var hubBase = moved.stream().anyMatch(States::isPart) ? agreedButForUnheld() : link.hubBase;
        var due = policies.hasGroups() && record != null ? withGroups(moved, hubBase) : moved;
        due.forEach(field -> decide(field, due, hubBase));
    }

    /** What becomes of it: unchanged, applied, or conflict. */
    public String outcome() {
        return conflict ? "conflict" : take.isEmpty() ? "unchanged" : "applied";
    }

    /** What the hub takes. */
    public ObjectNode take() {
        return take;
    }

    /** What both sides moved. */
    public List<Conflict> conflicts() {
        return conflicts;
    }

    private List<String> withGroups(List<String> moved, JsonNode hubBase) {
        var all = new LinkedHashSet<String>();
        for (var field : moved) {
            var together = policies.together(field);
            together.stream().filter(one -> moved.contains(one) || moved(hubBase, record, together).contains(one)).forEach(all::add);
        }
        return List.copyOf(all);
    }

    private void decide(String field, List<String> due, JsonNode hubBase) {
        var together = policies.together(field).stream().filter(due::contains).toList();
        var here = get(record, field);
        var there = get(remote, field);
        var before = get(link.remoteBase, field);
        var word = policies.word(field);
        if (record == null) { // deleted in the hub: the delete wins, and goes out
            conflict(new Conflict(field, before, null, there, Side.HUB, "deleted in the hub, edited in " + link.system));
        } else if (word.equals("out") && !same(here, there)) {
            conflict(new Conflict(field, before, here, there, Side.HUB, "it belongs to the hub: put back in " + link.system));
            agreed.set(field, there); // what the hub now differs from
        } else if (before.isNull() && (word.equals("in") || word.equals("once"))) {
            take.set(field, there); // until now the hub had to reckon
        } else if (moved(hubBase, record, together).isEmpty()) {
            if (isCut(here, before, there)) {
                conflict(new Conflict(field, before, here, there, Side.REMOTE, "edited in " + link.system + ", which holds a part of it only"));
            }
            take.set(field, edited(here, before, there));
        } else if (moved(record, remote, together).isEmpty()) {
            agreed.set(field, here);
        } else {
            choose(field, word, before, here, there);
        }
    }

    private void choose(String field, String word, JsonNode before, JsonNode here, JsonNode there) {
        var changedAt = table.tellsChange() ? Link.time(record, "updated_at") : null;
        var winner = isPart(field) && here.isNull() ? Side.HUB // of a part, too, a delete wins
                : isPart(field) && there.isNull() || policies.belongsThere(field, remote) ? Side.REMOTE
                : Policies.winner(word, changedAt, editedAt);
        conflict = true;
        if (!same(here, there)) {
            conflict(new Conflict(field, before, here, there, winner, "edited on both sides, policy " + word));
        }
        if (winner == Side.REMOTE) {
            take.set(field, there);
        } else {
            agreed.set(field, there); // what the hub now differs from, even if it goes back
        }
    }

    private void conflict(Conflict one) {
        conflict = true;
        conflicts.add(one);
    }

    /**
     * Carries it out: tells the conflicts, changes the record, and then moves the bases of the link, which the caller saves.
     *
     * @param then what is to be done afterwards
     */
    void into(Hub hub, Runnable then) {
        conflicts.forEach(one -> hub.conflict(link, one));
        if (take.isEmpty()) {
            advance();
            then.run();
            return;
        }
        hub.write(link.system, link.recordId, take, now -> {
            if (!moved(record, now, fields.stream().filter(field -> !take.has(field)).toList()).isEmpty()) {
                hub.poke(link.recordId); // a trigger of the hub's has changed more than was taken
            }
            written = now;
            // A part that could not be written, because its row is another record's by now, is still to be deleted there.
            agreed.setAll(States.pick(now, States.names(take).stream().filter(field -> get(take, field).isNull() || !isPart(field) || now.has(field)).toList()));
            var held = partsAsHeld(agreed);
            if (!held.isEmpty()) {
                agreed.setAll(held);
                hub.poke(link.recordId);
            }
            advance();
            then.run();
        });
    }

    /** The record after that. */
    ObjectNode record() {
        return written;
    }

    private void advance() {
        link.hubBase = join(link.hubBase, agreed);
        link.remoteBase = States.pick(remote, fields);
    }

    /** A value of the hub's after an edit of the remote's: of an object only the keys that moved there. */
    static JsonNode edited(JsonNode hub, JsonNode from, JsonNode to) {
        if (!hub.isObject() || !from.isObject() || !to.isObject()) {
            return to;
        }
        return join(States.without(hub, States.names(from).stream().filter(key -> !to.has(key)).toList()),
                States.pickIf(to, (key, value) -> !from.has(key) || !same(from.get(key), value)));
    }

    /** What of the hub's value nobody saw who edited it there: the whole text, or a key of an object, of which the remote holds a part only. */
    static boolean isCut(JsonNode hub, JsonNode from, JsonNode to) {
        if (hub.isObject() && from.isObject() && to.isObject()) {
            return States.names(to).stream().anyMatch(key -> (!from.has(key) || !same(from.get(key), to.get(key))) && holdsLess(get(from, key), get(hub, key)));
        }
        return holdsLess(from, hub);
    }

    /** Whether the remote holds a part of the hub's value only: a text that was cut for it. */
    private static boolean holdsLess(JsonNode remote, JsonNode hub) {
        if (!remote.isTextual() || !hub.isTextual() || remote.asText().isEmpty()) {
            return false;
        }
        var there = remote.asText();
        var here = hub.asText();
        return trimmed(here).codePointCount(0, trimmed(here).length()) > there.codePointCount(0, there.length()) && here.startsWith(trimmed(there));
    }

    /** Without spaces at the end, as rtrim has it. */
    private static String trimmed(String text) {
        int end = text.length();
        while (end > 0 && text.charAt(end - 1) == ' ') {
            end--;
        }
        return text.substring(0, end);
    }

    /** The references of parts that a state of the hub's has, and one of the remote's does not hold (Stripe keeps no product for a credit): of each part their names, with null. */
    private ObjectNode unheld(JsonNode hub, JsonNode there) {
        var all = States.empty();
        States.names(hub).stream().filter(States::isPart).filter(part -> get(hub, part).isObject() && get(there, part).isObject()).forEach(part -> {
            var missing = States.empty();
            table.referencesOf(part).stream().filter(column -> States.has(get(hub, part), column) && !States.has(get(there, part), column)).forEach(missing::putNull);
            if (!missing.isEmpty()) {
                all.set(part, missing);
            }
        });
        return all;
    }

    /** Parts that were taken, as agreed on: what the remote does not hold was not, and goes out once it can be held. */
    private ObjectNode partsAsHeld(JsonNode taken) {
        var unheld = unheld(taken, remote);
        var held = States.empty();
        States.names(unheld).forEach(part -> held.set(part, join(get(taken, part), get(unheld, part))));
        return held;
    }

    /** What was agreed on: a reference that only waits until the remote can hold it, which it does not yet, is no edit of the hub's. */
    private ObjectNode agreedButForUnheld() {
        var base = join(link.hubBase);
        var unheld = unheld(record, link.remoteBase);
        States.names(unheld).stream().filter(part -> get(base, part).isObject()).forEach(part -> base.set(part, join(get(base, part),
                States.pickIf(get(record, part), (column, value) -> unheld.get(part).has(column)
                        && !States.has(get(link.hubBase, part), column) && !States.has(get(remote, part), column)))));
        return base;
    }
}
