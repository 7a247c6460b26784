package io.bactrian.sync;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.NullNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;

/**
 * A hub and a remote that many people edit at once, with a sync between them to which everything happens that may happen: messages and
 * events come twice, late and in any order, workers die between any two steps, answers get lost, leases run out.
 */
final class RandomEdits {

    private record Message(String recordId, String origin, String target) {
    }

    /** A worker with a claimed record; answer: what the remote said, null when it has not been called. */
    private static final class Job {
        final Hub.Claim claim;
        ModelRemote.Answer answer;
        boolean called;
        boolean refused;

        Job(Hub.Claim claim) {
            this.claim = claim;
        }
    }

    /** An edit by a person of a field that read seen before. */
    private record Edit(boolean inHub, String id, String field, JsonNode seen, JsonNode value) {
    }

    private final Random random;
    private final Hub hub;
    private final ModelRemote remote;
    private final List<Message> messages = new ArrayList<>();
    private final List<Job> jobs = new ArrayList<>();
    private final List<ModelRemote.Event> undelivered = new ArrayList<>();
    private final List<ModelRemote.Event> delivered = new ArrayList<>();
    private final List<Edit> edits = new ArrayList<>();
    private final List<String> journal = new ArrayList<>();
    private int taken;
    private int values;
    private int hubChanges;

    // What kind of remote and of people this run has.
    final boolean distinctValues;
    final boolean events_tell_previous;
    final boolean events_tell_key;
    final boolean faults;
    final boolean zombies;
    final boolean deletes;
    final boolean refusals;
    final boolean hubIsEdited;
    final boolean remoteIsEdited;

    RandomEdits(long seed, Sql sql) throws SQLException {
        random = new Random(seed);
        hub = new Hub(sql);
        hub.policy = List.of("newest", "hub", "remote").get(random.nextInt(3));
        distinctValues = random.nextBoolean();
        events_tell_previous = random.nextInt(4) > 0;
        events_tell_key = random.nextInt(4) > 0;
        faults = random.nextInt(4) > 0;
        zombies = faults && random.nextInt(4) == 0;
        deletes = random.nextInt(3) > 0;
        refusals = random.nextInt(4) == 0;
        int sides = random.nextInt(6);
        hubIsEdited = sides != 0;
        remoteIsEdited = sides != 1;
        // Later than any clock, so that a run does not depend on the time of day.
        remote = new ModelRemote(4_000_000_000_000L);
        sql.run("truncate customers, sync.outbox, sync.link, sync.tombstone, sync.event, sync.failure, sync.conflict, sync.drain restart identity");
        sql.run("truncate sync.outbox");
        note("policy " + hub.policy + ", distinct values " + distinctValues + ", previous " + events_tell_previous + ", key " + events_tell_key
                + ", faults " + faults + ", zombies " + zombies + ", deletes " + deletes + ", refusals " + refusals + ", hub is edited " + hubIsEdited + ", remote is edited " + remoteIsEdited);
    }

    List<String> journal() {
        return journal;
    }

    void run(int steps) throws SQLException {
        for (int i = 0; i < steps; i++) {
            step();
        }
        settleDown();
        note("conflicts " + hub.sql.rows("select record_id, field, base, local, remote, winner, reason from sync.conflict order by id"));
        check();
    }

    private void step() throws SQLException {
        remote.millis += random.nextInt(10) < 7 ? random.nextInt(50) : random.nextInt(10) < 8 ? random.nextInt(600) : random.nextInt(5000);
        switch (random.nextInt(20)) {
            case 0, 1, 2 -> {
                if (hubIsEdited) {
                    editHub();
                }
            }
            case 3, 4, 5 -> {
                if (remoteIsEdited) {
                    editRemote();
                }
            }
            case 6, 7 -> drain();
            case 8, 9, 10 -> claim();
            case 11, 12 -> call();
            case 13, 14 -> finish();
            case 15, 16, 17, 18 -> deliver();
            default -> {
                if (faults) {
                    expire();
                }
            }
        }
    }

    // People.

    private void editHub() throws SQLException {
        hubChanges++;
        var ids = hub.sql.texts("select id from customers order by id");
        int what = random.nextInt(20);
        if (ids.size() < 2 || what == 0 && ids.size() < 6) {
            var name = value("name");
            var id = hub.sql.text("insert into customers (name, updated_at) values (?, to_timestamp(?::float8 / 1000)) returning id",
                    name.asText(null), remote.millis);
            note("hub inserts " + id);
            edit(true, id, "name", NullNode.instance, name);
        } else if (what == 1 && deletes) {
            var id = pick(ids);
            note("hub deletes " + id);
            var gone = Hub.object(hub.sql.text("select to_jsonb(c) from customers c where id = ?::bigint", id));
            ModelRemote.FIELDS.forEach(field -> edit(true, id, field, gone.get(field), NullNode.instance));
            hub.sql.run("delete from customers where id = ?::bigint", id);
            if (random.nextInt(3) == 0) {
                note("hub inserts " + id + " again");
                var name = value("name");
                hub.sql.run("insert into customers (id, name) values (?::bigint, ?)", id, name.asText(null));
                edit(true, id, "name", NullNode.instance, name);
            }
        } else {
            var id = pick(ids);
            var before = Hub.object(hub.sql.text("select to_jsonb(c) from customers c where id = ?::bigint", id));
            for (int i = random.nextInt(2); i >= 0; i--) {
                var field = pick(ModelRemote.FIELDS);
                var value = value(field);
                edit(true, id, field, before.path(field), value);
                var typed = field.equals("address") ? "?::jsonb" : "?";
                hub.sql.run("update customers set " + field + " = " + typed + ", updated_at = to_timestamp(?::float8 / 1000) where id = ?::bigint",
                        value.isNull() ? null : field.equals("address") ? value.toString() : value.asText(), remote.millis, id);
                before.set(field, value);
            }
        }
    }

    private void editRemote() {
        var ids = List.copyOf(remote.things.keySet());
        int what = random.nextInt(20);
        try {
            if (ids.isEmpty() || what == 0 && ids.size() < 6) {
                var values = JsonNodeFactory.instance.objectNode();
                values.set("name", unrefused("name"));
                values.set("email", value("email"));
                note("remote creates " + remote.create(null, null, values).id() + " " + values);
            } else if (what == 1 && deletes) {
                var id = pick(ids);
                note("remote deletes " + id);
                var gone = remote.things.get(id).state();
                ModelRemote.FIELDS.forEach(field -> edit(false, id, field, gone.get(field), NullNode.instance));
                remote.delete(null, id);
            } else {
                var id = pick(ids);
                var values = JsonNodeFactory.instance.objectNode();
                for (int i = random.nextInt(2); i >= 0; i--) {
                    var field = pick(ModelRemote.FIELDS);
                    values.set(field, unrefused(field));
                }
                var before = remote.things.get(id).state();
                values.fields().forEachRemaining(field -> edit(false, id, field.getKey(), before.get(field.getKey()), field.getValue()));
                remote.update(null, id, values);
            }
        } catch (ModelRemote.Refused e) {
            throw new AssertionError("people are not refused", e);
        }
    }

    private void edit(boolean inHub, String id, String field, JsonNode seen, JsonNode value) {
        note((inHub ? "hub " : "remote ") + id + " " + field + ": " + seen + " -> " + value + " at " + remote.millis);
        edits.add(new Edit(inHub, id, field, ModelRemote.spell(field, seen), ModelRemote.spell(field, value)));
    }

    private JsonNode unrefused(String field) {
        var value = value(field);
        return value.asText().startsWith("refuse") ? value("email") : value;
    }

    private JsonNode value(String field) {
        if (random.nextInt(6) == 0) {
            return NullNode.instance;
        }
        var text = distinctValues ? "v" + ++values : pick(List.of("a", "b", "c"));
        return switch (field) {
            case "address" -> JsonNodeFactory.instance.objectNode().put("city", text);
            case "description" -> JsonNodeFactory.instance.textNode(text + " ".repeat(random.nextInt(3)));
            case "name" -> JsonNodeFactory.instance.textNode(refusals && random.nextInt(8) == 0 ? "refuse " + text : text);
            default -> JsonNodeFactory.instance.textNode(text);
        };
    }

    // The sync.

    private void drain() throws SQLException {
        var ids = new ArrayList<String>();
        for (var row : hub.sql.rows("select * from sync.outbox_claim('one', '1 hour', 0, ?, 100000)", 1 + random.nextInt(10))) {
            if (row.get("id") != null) {
                messages.add(new Message((String) row.get("record_id"), (String) row.get("origin"), (String) row.get("target")));
                ids.add(row.get("id").toString());
            }
        }
        if (!faults || random.nextInt(10) > 0) {
            hub.sql.run("select sync.outbox_acknowledge(?::bigint[])", "{" + String.join(",", ids) + "}");
        }
    }

    private void claim() throws SQLException {
        if (messages.isEmpty() || jobs.size() > 3) {
            return;
        }
        int i = random.nextBoolean() ? 0 : random.nextInt(messages.size());
        var message = faults && random.nextInt(10) == 0 ? messages.get(i) : messages.remove(i);
        claim(message);
    }

    private Job claim(Message message) throws SQLException {
        if (message.origin.equals("stripe") || !message.target.isEmpty() && !message.target.equals("stripe")) {
            return null;
        }
        var claim = hub.claim(message.recordId);
        if (claim.action().equals("none") || claim.action().equals("busy")) {
            return null;
        }
        note("claim " + claim);
        var job = new Job(claim);
        jobs.add(job);
        return job;
    }

    private void call() throws SQLException {
        var waiting = jobs.stream().filter(job -> !job.called).toList();
        if (waiting.isEmpty()) {
            return;
        }
        var job = pick(waiting);
        int fate = faults ? random.nextInt(20) : 19;
        if (fate == 0) {
            note("the worker of " + job.claim.token() + " dies before the call");
            jobs.remove(job);
        } else if (fate == 1) {
            note("the call of " + job.claim.token() + " fails");
            jobs.remove(job);
            hub.fail(job.claim, false);
        } else {
            call(job);
            if (fate == 2) {
                note("the answer of " + job.claim.token() + " is lost");
                jobs.remove(job);
                hub.fail(job.claim, false);
            } else if (fate == 3) {
                note("the worker of " + job.claim.token() + " dies after the call");
                jobs.remove(job);
            }
        }
    }

    private void call(Job job) {
        var claim = job.claim;
        try {
            job.answer = Worker.call(remote, claim);
        } catch (ModelRemote.Refused e) {
            job.refused = true;
        }
        job.called = true;
        note("call of " + claim.token() + ": " + (job.refused ? "refused" : job.answer) + " at " + remote.millis);
    }

    private void finish() throws SQLException {
        var answered = jobs.stream().filter(job -> job.called).toList();
        if (!answered.isEmpty()) {
            finish(pick(answered));
        }
    }

    private void finish(Job job) throws SQLException {
        jobs.remove(job);
        var outcome = job.refused ? hub.fail(job.claim, true) : hub.settle(job.claim, job.answer);
        note("settle " + job.claim.token() + ": " + outcome + link(job.claim.recordId()));
        if (outcome.equals("failed")) {
            throw new AssertionError(hub.sql.rows("select * from sync.failure"));
        }
    }

    private void deliver() throws SQLException {
        while (taken < remote.events.size()) {
            undelivered.add(remote.events.get(taken++));
        }
        if (!undelivered.isEmpty()) {
            deliver(undelivered.remove(random.nextInt(3) > 0 ? 0 : random.nextInt(undelivered.size())));
        }
        if (!delivered.isEmpty() && random.nextInt(10) == 0) {
            deliver(pick(delivered));
        }
    }

    private void deliver(ModelRemote.Event event) throws SQLException {
        delivered.add(event);
        var told = new ModelRemote.Event(event.id(), event.type(), event.at(), events_tell_key ? event.key() : null, event.thing(),
                events_tell_previous ? event.previous() : null);
        var outcome = hub.apply(told);
        note("event " + told + ": " + outcome);
        if (outcome.equals("failed")) {
            throw new AssertionError(hub.sql.rows("select * from sync.failure"));
        }
    }

    /** Leases run out. A worker that still held one has died, or wakes up much later than anybody thought. */
    private void expire() throws SQLException {
        var expired = new ArrayList<String>();
        for (var token : hub.sql.texts("select lease_token from sync.link where lease_until is not null order by 1")) {
            if (random.nextBoolean()) {
                hub.sql.run("update sync.link set lease_until = '-infinity' where lease_token = ?::bigint", token);
                expired.add(token);
            }
        }
        jobs.removeIf(job -> expired.contains(job.claim.token().toString()) && !job.called && !zombies);
        note("leases run out: " + expired);
        if (random.nextBoolean()) {
            retryDue();
        }
    }

    private void retryDue() throws SQLException {
        hub.sql.run("update sync.failure set next_attempt_at = '-infinity' where next_attempt_at is not null");
        hub.sql.run("select sync.retry_due()");
    }

    /** Everything under way arrives, without faults, until nothing is left to do. */
    private void settleDown() throws SQLException {
        note("--- settling down");
        for (var job : List.copyOf(jobs)) {
            if (!job.called) {
                call(job);
            }
            finish(job);
        }
        hub.sql.run("update sync.link set lease_until = '-infinity' where lease_until is not null");
        mendRefusals();
        for (int round = 0; round < 100; round++) {
            retryDue();
            var rows = hub.sql.rows("select id, record_id, origin, target from sync.outbox order by id");
            for (var row : rows) {
                messages.add(new Message((String) row.get("record_id"), (String) row.get("origin"), (String) row.get("target")));
            }
            hub.sql.run("truncate sync.outbox");
            if (messages.isEmpty() && undelivered.isEmpty() && taken == remote.events.size()) {
                return;
            }
            while (!messages.isEmpty() || !undelivered.isEmpty() || taken < remote.events.size()) {
                remote.millis += random.nextInt(100);
                if (random.nextBoolean() && !messages.isEmpty()) {
                    var job = claim(messages.remove(0));
                    if (job != null) {
                        call(job);
                        finish(job);
                    }
                } else {
                    deliver();
                }
            }
        }
        throw new AssertionError("it does not come to rest");
    }

    private void mendRefusals() throws SQLException {
        for (var id : hub.sql.texts("select id from customers where name like 'refuse%' order by id")) {
            var name = hub.sql.text("select name from customers where id = ?::bigint", id);
            var mended = JsonNodeFactory.instance.textNode("mended " + name);
            edit(true, id, "name", JsonNodeFactory.instance.textNode(name), mended);
            hub.sql.run("update customers set name = ?, updated_at = to_timestamp(?::float8 / 1000) where id = ?::bigint", mended.asText(), remote.millis, id);
        }
    }

    // What must hold at the end.

    private void check() throws SQLException {
        var both = BothSides.of(hub.sql, remote);
        both.requireEqual();
        var records = both.records();
        var linked = both.linked();
        if (!hubIsEdited || !remoteIsEdited) {
            // After an unknown outcome, a value that the remote spells in its own way may look like somebody else's; so may any
            // that comes from a worker thought dead, or from a remote that does not say whose it is.
            var conflicts = hub.sql.rows("select * from sync.conflict where field <> 'description' or not ?", faults);
            BothSides.require(zombies || faults && !events_tell_key || conflicts.isEmpty(), "conflicts, but one side only was edited: " + conflicts);
            BothSides.require(hubIsEdited || remote.writes == 0, "written, but nobody edited the hub");
            checkLastEdits(records, linked);
        }
        if (!faults) {
            long winners = hub.sql.number("select count(*) from sync.conflict");
            BothSides.require(remote.writes <= hubChanges + winners, remote.writes + " writes for " + hubChanges + " changes and " + winners + " conflicts");
        }
        if (distinctValues && events_tell_previous && events_tell_key && !zombies) {
            checkNothingIsLost(records, linked);
        }
    }

    /** Where only one side was edited, its last edits stand. */
    private void checkLastEdits(Map<String, ObjectNode> records, Map<String, String> linked) {
        var last = new HashMap<String, Edit>();
        edits.forEach(edit -> last.put(edit.id + edit.field, edit));
        for (var record : records.entrySet()) {
            for (var field : ModelRemote.FIELDS) {
                var edit = last.get((hubIsEdited ? record.getKey() : linked.get(record.getKey())) + field);
                var value = ModelRemote.spell(field, record.getValue().get(field));
                BothSides.require(edit == null || edit.value.equals(value), "the last edit is " + edit + ", but the record says " + value);
            }
        }
    }

    /** Each value is still there, or somebody who saw it replaced it, or it lost a conflict that is on record, or its record is gone. */
    private void checkNothingIsLost(Map<String, ObjectNode> records, Map<String, String> linked) throws SQLException {
        var accounted = new HashSet<String>();
        edits.forEach(edit -> accounted.add(edit.field + edit.seen));
        records.values().forEach(record -> ModelRemote.FIELDS.forEach(field -> accounted.add(field + ModelRemote.spell(field, record.get(field)))));
        for (var row : hub.sql.rows("select field, case winner when 'hub' then remote else local end as loser from sync.conflict")) {
            if (row.get("loser") != null) {
                var field = (String) row.get("field");
                try {
                    accounted.add(field + ModelRemote.spell(field, Hub.JSON.readTree(row.get("loser").toString())));
                } catch (com.fasterxml.jackson.core.JsonProcessingException e) {
                    throw new AssertionError(e);
                }
            }
        }
        for (var edit : edits) {
            BothSides.require(edit.value.isNull() || accounted.contains(edit.field + edit.value), "nobody replaced this edit, and it is lost: " + edit);
        }
    }

    private String link(String recordId) throws SQLException {
        return " " + hub.sql.rows("select hub_base, remote_base, last_event_at, in_chain, look_at, revision, in_flight_op, in_flight from sync.link where record_id = ?", recordId);
    }

    private <T> T pick(List<T> list) {
        return list.get(random.nextInt(list.size()));
    }

    private void note(String what) {
        journal.add(what);
    }
}
