package io.bactrian.engine;

import static io.bactrian.state.States.get;
import static io.bactrian.state.States.join;
import static io.bactrian.state.States.moved;
import static io.bactrian.state.States.text;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.bactrian.state.Keys;
import io.bactrian.state.Link;
import io.bactrian.state.Policies;
import io.bactrian.state.States;
import io.bactrian.state.Times;
import io.bactrian.state.Unfit;
import java.time.Instant;
import java.util.List;
import java.util.Objects;

/**
 * What an event of another system means for the hub: applied, an echo of our own write, too late, or not to be trusted. An event that rewinds its object to what we know is the
 * direct successor and is applied as it is; what is older or of the same second is a hint that something happened, and a worker reads the object.
 */
public final class Judgement {

    private static final long DAY = 86_400;

    private final Incoming hub;
    private final String system;
    private final String entity;
    private final ObjectNode event;
    private final String externalId;
    private final Instant at;
    private final String key;
    private final List<String> fields;
    private final Policies policies;
    private ObjectNode remote;
    private ObjectNode previous;
    private List<String> all;
    private Link link;
    private String revision;
    private boolean ours;

    /**
     * @param event as {@code docs/how-it-works.md} describes it
     * @param remote the object in canonical form, null when it is gone; {@code previous} the same before the event, null when that is not told
     * @param fields of the integration
     */
    public Judgement(Incoming hub, String system, String entity, ObjectNode event, ObjectNode remote, ObjectNode previous, List<String> fields, Policies policies) {
        this.hub = hub;
        this.system = system;
        this.entity = entity;
        this.event = event;
        this.remote = remote;
        this.previous = previous;
        this.fields = fields;
        this.policies = policies;
        externalId = text(event, "external_id");
        at = Times.ofSeconds(text(event, "at"));
        key = text(event, "key");
        ours = key != null && key.startsWith(Keys.ofEntity(hub.installation(), entity));
    }

    /** Carries it out, and tells what it came to. */
    public String outcome() {
        link = hub.linkOf(externalId);
        if (link == null && hub.isGone(externalId)) {
            return "tombstone";
        } else if (is("deleted")) {
            return deleted();
        }
        if (link == null && !findRecord()) {
            return "foreign";
        }
        if (is("partial") && (link == null || link.externalId == null && !link.doing("create"))) {
            return "hint"; // nothing is known that could stand for what it leaves out
        }
        spellAsHere();
        return link == null ? create() : link.deletedAt != null ? late() : known();
    }

    private String deleted() {
        if (link == null) {
            // Whatever record it points to is not known to be its own. Should it be, the answer to our create finds the tombstone.
            hub.noteGone(externalId);
            hub.forgetFailureIn(externalId);
            hub.forgetForeign(externalId);
            return "deleted";
        } else if (link.deletedAt != null) {
            return "tombstone";
        }
        link = link.doing("delete") ? hub.bury(link, externalId, fields) : hub.takeDeletion(link, externalId, fields);
        if (Objects.equals(link.deletion, "held_in")) {
            return "delete_held";
        }
        if (Objects.equals(link.deletedBy, "hub")) {
            hub.poke(link.recordId); // the id may have a new record
        }
        return "deleted";
    }

    /** Finds the record that an object points to which is not linked: a create of ours whose answer has not come yet, or a hub that has lost its links. False: it is another hub's. */
    private boolean findRecord() {
        var hubId = hub.recordId(text(event, "hub_id"));
        if (isForeign(hubId)) {
            hub.noteForeign(externalId, text(event, "hub"), text(event, "hub_id"));
            return false;
        }
        hub.forgetForeign(externalId);
        if (hubId == null) {
            return true;
        }
        if (hub.read(hubId) != null) {
            hub.ensureLink(hubId);
        }
        var found = hub.link(hubId);
        if (found == null) {
            return true;
        }
        if (found.externalId == null && found.deletedAt == null && (found.doing("create") || hub.read(hubId) != null)) {
            link = found;
        } else if (found.deletedAt == null && Keys.revision(hub.installation(), found, key) != null) {
            // A create was repeated under another key after all; a person removes one.
            throw new Unfit("23505", "record %s has two objects in %s: %s is linked, %s is not".formatted(found.recordId, system, found.externalId, externalId));
        }
        return true;
    }

    /** Whether an object points into another installation, or may. */
    private boolean isForeign(String hubId) {
        var pointed = text(event, "hub");
        if (hub.installation().equals(pointed)) {
            return false;
        } else if (pointed != null && !pointed.isBlank()) {
            return true;
        } else if (hubId == null) {
            return false;
        }
        // Made by an older version: ours only if its request is known to have been.
        var of = hub.link(hubId);
        return !(key != null && key.startsWith(Keys.prefix(hub.installation(), entity, hubId))
                || of != null && of.doing("create") && Keys.revision(hub.installation(), of, key) != null);
    }

    /** Brings both states into the hub's own terms, and completes what a partial event leaves out. */
    private void spellAsHere() {
        var recordId = link == null ? null : link.recordId;
        var base = link == null ? null : link.remoteBase;
        var inFlight = link == null ? null : link.inFlight;
        var known = link == null ? States.empty() : link.known();
        remote = hub.internal(recordId, remote, known);
        previous = hub.internal(recordId, previous, join(known, remote));
        revision = Keys.revision(hub.installation(), link, key);
        if (is("partial")) {
            // What our own write sent and its event leaves out, was done.
            remote = join(base == null ? inFlight : base, link.doing("update") && Long.toString(link.revision).equals(revision) ? inFlight : null, remote);
            previous = previous == null ? null : join(remote, previous);
        }
        remote = policies.keepOnce(remote, base);
        previous = policies.keepOnce(previous, base);
        all = States.fields(fields, link == null ? null : link.hubBase, base, inFlight, remote, previous);
        ours = ours || revision != null;
    }

    /** Made in the other system. What it does not have is left to the table's defaults. */
    private String create() {
        var imported = "reconcile".equals(text(event, "type"))
                || event.hasNonNull("made") && Times.ofSeconds(text(event, "made")).isBefore(at.minusSeconds(DAY));
        hub.insert(States.pickIf(remote, (field, value) -> all.contains(field) && !value.isNull()), imported, (recordId, record) -> {
            var row = States.empty().put("system", system).put("entity", entity).put("record_id", recordId).put("external_id", externalId);
            var made = new Link(row);
            made.hubBase = States.pick(record, all);
            made.remoteBase = States.pick(remote, all);
            made.lastEventAt = at;
            made.inChain = true;
            hub.linkNew(made, remote);
            hub.release(made);
            hub.forgetFailureIn(externalId);
        });
        return "created";
    }

    /** The delete wins. What was edited before it and nobody has seen is kept. */
    private String late() {
        if (awaitsEcho()) {
            Echoes.take(hub, link, revision, remote, previous, policies);
            hub.save(link);
        }
        var news = moved(link.remoteBase, remote, edited());
        if ("hub".equals(link.deletedBy) && link.remoteBase != null && !ours && !news.isEmpty() && (link.lastEventAt == null || !at.isBefore(link.lastEventAt))) {
            keep(news);
        }
        return "tombstone";
    }

    /** Merges what was edited there into a record that is gone: it is kept in sync.conflict. */
    private String keep(List<String> news) {
        var merged = link.copy();
        var merge = merge(merged, news);
        merge.into(hub, () -> {
            link.remoteBase = join(link.remoteBase, merged.remoteBase);
            hub.save(link);
        });
        return merge.outcome();
    }

    private String known() {
        var edited = edited();
        var news = moved(link.remoteBase, remote, edited);
        if (isAnswer()) {
            return echoBeforeAnswer();
        }
        if (link.externalId == null && link.doing("create")) {
            // A later event outran the echo: the object exists, and somebody has edited it since. The answer will say what it was.
            link.lookAt = Link.latest(link.lookAt, at);
            hub.save(link);
            return "deferred";
        }
        boolean adopted = link.externalId == null;
        boolean isOld = link.lastEventAt != null && at.isBefore(link.lastEventAt);
        boolean sameSecond = at.equals(link.lastEventAt);
        if (adopted) {
            link.externalId = externalId; // never agreed on anything: merged without a base
            hub.release(link);
        } else if (awaitsEcho()) {
            boolean open = get(get(link.unechoed, revision), "open").asBoolean();
            Echoes.take(hub, link, revision, remote, previous, policies);
            if (!open || isOld || news.isEmpty()) {
                hub.save(link);
                return "echo";
            }
        } else if (isOld && news.isEmpty() || previous != null && edited.isEmpty()) {
            return ours ? "echo" : "unchanged"; // what it tells is known, or is none of our fields
        } else if (ours && (isOld || sameSecond && isEarlierWrite())) {
            return "echo"; // a write that ended is known, by its answer or by another event of it
        }

        boolean successor = previous != null && moved(link.remoteBase, previous, all).isEmpty();
        if (adopted || isTrusted(successor, sameSecond, edited)) {
            return apply(adopted, successor);
        }
        return defer(edited, news);
    }

    /** The fields that the event moved. */
    private List<String> edited() {
        return moved(previous == null ? link.remoteBase : previous, remote, all);
    }

    private boolean awaitsEcho() {
        return revision != null && States.names(link.unechoed, revision);
    }

    /** Whether the event tells of the write that is under way: it outran the answer, and is as good. Without a key it may be another's. */
    private boolean isAnswer() {
        if (link.doing("create") && link.externalId == null) {
            return revision != null || key == null && moved(link.inFlight, remote, all).isEmpty();
        }
        return (link.doing("create") || link.doing("update")) && Long.toString(link.revision).equals(revision);
    }

    private String echoBeforeAnswer() {
        if (key == null) {
            link.lookAt = at;
        }
        if (Long.toString(link.revision).equals(revision)) {
            Flight.madeAnew(link);
        }
        var ended = Long.toString(link.revision);
        boolean created = link.doing("create");
        Flight.land(hub, link, externalId, remote, at, all, policies);
        Runnable end = () -> {
            Echoes.take(hub, link, ended, remote, previous, policies);
            hub.save(link);
        };
        if (policies.hasRules() && !moved(link.remoteBase, remote, all).isEmpty()) { // what it brought besides: a number, a status
            if (created && key != null) {
                merge(link, all).into(hub, end);
                return "echo";
            }
            link.lookAt = at;
        }
        end.run();
        return "echo";
    }

    private boolean isEarlierWrite() {
        return revision != null && revision.matches("[0-9]{1,18}") && Long.parseLong(revision) < link.revision;
    }

    /**
     * The direct successor of what we know is applied as it is, unless a write of ours to the same fields is under way. So is a later one, unless any write is. Everything else is a
     * hint that something happened: a worker reads the object.
     */
    private boolean isTrusted(boolean successor, boolean sameSecond, List<String> edited) {
        boolean writing = link.inFlightOp != null;
        boolean inOrder = link.lastEventAt == null
                || at.isAfter(link.lastEventAt) && (successor || !writing)
                || sameSecond && successor && link.inChain;
        return !ours && !link.doing("fetch") && inOrder && !(writing && (link.inFlight == null || edited.stream().anyMatch(field -> States.names(link.inFlight, field))));
    }

    private String apply(boolean adopted, boolean successor) {
        var merge = merge(link, all);
        merge.into(hub, () -> {
            link.inChain = successor;
            link.lastEventAt = at;
            if (link.inFlightOp != null) {
                link.lookAt = at; // it seems to come before our write; only the object knows
            }
            hub.save(link);
            hub.forgetFailureIn(link.recordId);
            if (hub.hasFailureOut(link.recordId) // what was refused may be mended by it
                    || (adopted || merge.outcome().equals("conflict")) && !Flight.toDo(link, merge.record(), fields, policies).isEmpty()) {
                hub.poke(link.recordId);
            }
        });
        return merge.outcome();
    }

    private String defer(List<String> edited, List<String> news) {
        if (news.isEmpty() && link.inFlightOp == null) {
            link.inChain = false; // it told nothing new, but it was not the next event either
            hub.save(link);
            return ours ? "echo" : "unchanged";
        }
        if (!ours && hub.read(link.recordId) == null) {
            return keep(news);
        }
        if (previous != null && !ours) {
            Echoes.noteLateEdit(hub, link, remote, edited, at, policies);
        }
        link.lookAt = Link.latest(link.lookAt, at);
        hub.save(link);
        hub.poke(link.recordId);
        return "deferred";
    }

    private Merge merge(Link into, List<String> moved) {
        return new Merge(into, hub.lock(into.recordId), remote, at, moved, policies, hub.table());
    }

    private boolean is(String flag) {
        return get(event, flag).asBoolean();
    }
}
