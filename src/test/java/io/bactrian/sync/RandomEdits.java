package io.bactrian.sync;

import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
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

    private final Random random;
    private final Hub hub;
    private final ModelRemote remote;
    private final List<Message> messages = new ArrayList<>();
    private final List<Job> jobs = new ArrayList<>();
    private final List<ModelRemote.Event> undelivered = new ArrayList<>();
    private final List<ModelRemote.Event> delivered = new ArrayList<>();
    private final List<String> journal = new ArrayList<>();
    private final Circumstances circumstances;
    private final People people;
    private int taken;

    RandomEdits(long seed, Sql sql) throws SQLException {
        random = new Random(seed);
        circumstances = Circumstances.random(random);
        hub = new Hub(sql);
        hub.policy = circumstances.policy();
        // Later than any clock, so that a run does not depend on the time of day.
        remote = new ModelRemote(4_000_000_000_000L);
        people = new People(random, circumstances, hub, remote, journal);
        sql.run("truncate customers, sync.link, sync.tombstone, sync.event, sync.failure, sync.conflict, sync.drain restart identity cascade");
        sql.run("truncate sync.outbox");
        note(circumstances.toString());
    }

    /** What happened, line by line. */
    List<String> journal() {
        return journal;
    }

    /** Lets things happen, then lets them come to rest, and checks. */
    void run(int steps) throws SQLException {
        for (int i = 0; i < steps; i++) {
            step();
        }
        settleDown();
        note("conflicts " + hub.sql.rows("select record_id, field, base, local, remote, winner, reason from sync.conflict order by id"));
        new Reckoning(circumstances, hub.sql, remote, people.edits(), people.hubChanges()).check();
    }

    private void step() throws SQLException {
        remote.millis += random.nextInt(10) < 7 ? random.nextInt(50) : random.nextInt(10) < 8 ? random.nextInt(600) : random.nextInt(5000);
        switch (random.nextInt(20)) {
            case 0, 1, 2 -> {
                if (circumstances.hubIsEdited()) {
                    people.editHub();
                }
            }
            case 3, 4, 5 -> {
                if (circumstances.remoteIsEdited()) {
                    people.editRemote();
                }
            }
            case 6, 7 -> drain();
            case 8, 9, 10 -> claim();
            case 11, 12 -> call();
            case 13, 14 -> finish();
            case 15, 16, 17, 18 -> deliver();
            default -> {
                if (circumstances.faults()) {
                    expire();
                }
            }
        }
    }

    private void drain() throws SQLException {
        var ids = new ArrayList<String>();
        for (var row : hub.sql.rows("select * from sync.outbox_claim('one', '1 hour', 0, ?, 100000)", 1 + random.nextInt(10))) {
            if (row.get("id") != null) {
                messages.add(new Message((String) row.get("record_id"), (String) row.get("origin"), (String) row.get("target")));
                ids.add(row.get("id").toString());
            }
        }
        if (!circumstances.faults() || random.nextInt(10) > 0) {
            hub.sql.run("select sync.outbox_acknowledge(?::bigint[])", "{" + String.join(",", ids) + "}");
        }
    }

    private void claim() throws SQLException {
        if (messages.isEmpty() || jobs.size() > 3) {
            return;
        }
        int i = random.nextBoolean() ? 0 : random.nextInt(messages.size());
        var message = circumstances.faults() && random.nextInt(10) == 0 ? messages.get(i) : messages.remove(i);
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
        int fate = circumstances.faults() ? random.nextInt(20) : 19;
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
        var told = new ModelRemote.Event(event.id(), event.type(), event.at(), circumstances.eventsTellKey() ? event.key() : null, event.thing(),
                circumstances.eventsTellPrevious() ? event.previous() : null);
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
        jobs.removeIf(job -> expired.contains(job.claim.token().toString()) && !job.called && !circumstances.zombies());
        note("leases run out: " + expired);
        if (random.nextBoolean()) {
            retryDue();
        }
    }

    private void retryDue() throws SQLException {
        hub.sql.run("update sync.failure set next_attempt_at = '-infinity' where next_attempt_at is not null");
        hub.sql.run("select sync.retry_due('me')");
    }

    /** Everything under way arrives, without circumstances.faults(), until nothing is left to do. */
    private void settleDown() throws SQLException {
        note("--- settling down");
        for (var job : List.copyOf(jobs)) {
            if (!job.called) {
                call(job);
            }
            finish(job);
        }
        hub.sql.run("update sync.link set lease_until = '-infinity' where lease_until is not null");
        people.mendRefusals();
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
