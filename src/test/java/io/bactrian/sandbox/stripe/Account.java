package io.bactrian.sandbox.stripe;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.Closeable;
import java.io.IOException;
import java.time.Clock;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.NavigableMap;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Stream;

/**
 * One Stripe account: its objects, events and idempotency keys, in memory and in the journal.
 *
 * <p>One lock, the account's own monitor, makes each commit atomic: objects, events, the kept answer and the deliveries owed are one line of
 * the journal.
 */
final class Account implements Closeable {

    /** Stripe keeps events for 30 days. */
    private static final long EVENTS_KEPT_SECONDS = 30L * 24 * 3600;

    /** Takes the events to deliver. Called under the account's lock, in the order of creation. */
    interface Courier {
        void deliver(String endpoint, Stored event);
    }

    /** A page of a list. */
    record Page(List<byte[]> items, boolean more) {
    }

    final IdempotencyKeys keys = new IdempotencyKeys();
    final Endpoints endpoints = new Endpoints();
    private final Clock clock;
    private final Journal journal;
    private final Map<String, Stored> byId = new HashMap<>();
    private final Map<Resource, NavigableMap<Long, Stored>> bySequence = new LinkedHashMap<>();
    private final Map<String, Set<String>> owed = new HashMap<>();
    private final Map<Resource, Integer> tombstones = new HashMap<>();
    private final Set<String> givenUp = new HashSet<>();
    private Courier courier = (endpoint, event) -> { };
    private long sequence;
    private long version;
    private volatile String id = "acct_simulator";
    private volatile String apiVersion = Events.API_VERSION;

    /**
     * @param journal where commits go, or null to keep them in memory only
     * @throws IOException when the journal cannot be read
     */
    Account(Journal journal, Clock clock) throws IOException {
        this.journal = journal;
        this.clock = clock;
        Resources.ALL.forEach(resource -> bySequence.put(resource, new TreeMap<>()));
        if (journal != null) {
            journal.replay(line -> apply(Commit.fromLine(line)));
            forgetOldEvents();
            journal.compact(snapshot());
        }
    }

    /** Names who delivers events, and hands over what was still owed when the simulator stopped. */
    synchronized void deliverBy(Courier to) {
        courier = to;
        for (var event : bySequence.get(Resources.EVENTS).values()) {
            for (var endpoint : List.copyOf(owed.getOrDefault(event.id(), Set.of()))) {
                to.deliver(endpoint, event);
            }
        }
    }

    /** The account's id, {@code acct_…}. */
    String id() {
        return id;
    }

    void id(String id) {
        this.id = id;
    }

    /** The account's default API version, in which events are spelled from now on. */
    String apiVersion() {
        return apiVersion;
    }

    /** @throws IllegalArgumentException when no event can be spelled in that version */
    void apiVersion(String apiVersion) {
        if (!ApiVersion.KNOWN.contains(apiVersion)) {
            throw new IllegalArgumentException("api_version: known are " + String.join(", ", ApiVersion.KNOWN));
        }
        this.apiVersion = apiVersion;
    }

    /** Epoch seconds: the one clock of objects, events and answers. */
    long now() {
        return clock.instant().getEpochSecond();
    }

    /**
     * Begins a call.
     *
     * @param idempotencyKey the caller's, or null
     */
    Transaction begin(String requestId, String idempotencyKey) {
        return new Transaction(this, requestId, idempotencyKey, now());
    }

    /** Commits a call: its changes and their events, and the answer to keep under its idempotency key, which may be null. */
    synchronized void commit(Transaction tx, IdempotencyKeys.Kept kept) {
        var puts = new ArrayList<Stored>();
        var gone = new ArrayList<String>();
        for (var id : tx.removed.keySet()) {
            var old = byId.get(id);
            if (old != null && old.resource().tombstone()) {
                puts.add(old.tombstone());
            } else if (old != null) {
                gone.add(id);
            }
        }
        var last = sequence;
        for (var saved : tx.saved.entrySet()) {
            var old = byId.get(saved.getKey());
            puts.add(Stored.of(old == null ? ++last : old.sequence(), Resources.ofObject(Json.text(saved.getValue(), "object")), saved.getValue()));
        }
        var events = new ArrayList<Stored>();
        var receivers = new HashMap<String, Set<String>>();
        for (var pending : tx.events) {
            var to = endpoints.of(pending.type());
            var event = Stored.of(++last, Resources.EVENTS, Events.event(tx, pending, apiVersion, to.size()));
            events.add(event);
            if (!to.isEmpty()) {
                receivers.put(event.id(), to);
            }
        }
        puts.addAll(events);
        write(new Commit(puts, gone, receivers, List.of(), kept));
        forgetOldEvents();
        events.forEach(event -> receivers.getOrDefault(event.id(), Set.of()).forEach(endpoint -> courier.deliver(endpoint, event)));
    }

    /**
     * Sends an event that no call has caused, and returns it as it is sent.
     *
     * @param listed whether it is kept and listed; else it is lost when the simulator stops before it is delivered
     */
    synchronized ObjectNode emit(ObjectNode event, boolean listed) {
        var to = endpoints.of(Json.text(event, "type"));
        var kept = Stored.of(sequence + 1, Resources.EVENTS, event);
        var sent = listed ? kept : new Stored(kept.sequence(), kept.resource(), kept.id(), now(), kept.json(), false, kept.keys());
        if (listed) {
            write(new Commit(List.of(sent), List.of(), to.isEmpty() ? Map.of() : Map.of(sent.id(), to), List.of(), null));
        }
        to.forEach(endpoint -> courier.deliver(endpoint, sent));
        return Json.object(sent(sent));
    }

    /** What an endpoint gets of an event, in the API version that the event names. */
    synchronized byte[] sent(Stored event) {
        return Json.bytes(ApiVersion.spell(Json.object(event.json()), this::live));
    }

    /** Records that an endpoint has an event, or will never get it. */
    synchronized void settle(String event, String endpoint, boolean delivered) {
        if (owed.getOrDefault(event, Set.of()).contains(endpoint)) {
            write(new Commit(List.of(), List.of(), Map.of(), List.of(new Commit.Settlement(event, endpoint, delivered)), null));
        }
    }

    /** A copy of an object that is there and not deleted, or null. */
    synchronized ObjectNode live(String id) {
        var stored = byId.get(id);
        return stored == null || stored.deleted() ? null : Json.object(stored.json());
    }

    /**
     * The JSON of an object or tombstone, as calls show it.
     *
     * @throws ApiError 404 when there is none
     */
    synchronized byte[] show(Resource resource, String id) {
        return show(stored(resource, id));
    }

    /**
     * A copy of an object or tombstone, whole.
     *
     * @throws ApiError 404 when there is none
     */
    synchronized ObjectNode find(Resource resource, String id) {
        return Json.object(stored(resource, id).json());
    }

    synchronized Collection<String> idsWhere(Resource resource, String field, String value) {
        return bySequence.get(resource).values().stream().filter(stored -> !stored.deleted() && value.equals(stored.keys().get(field))).map(Stored::id).toList();
    }

    /** How many objects there are, deleted ones not counted. */
    synchronized int count(Resource resource) {
        return bySequence.get(resource).size() - tombstones.getOrDefault(resource, 0);
    }

    /** Whether every endpoint that was to get an event has it. */
    synchronized boolean delivered(String event) {
        return !owed.containsKey(event) && !givenUp.contains(event);
    }

    /**
     * Lists newest first.
     *
     * @param where the filters' values by parameter name, {@code created} among them
     * @param after the id to start behind, or null
     * @param before the id to end before, or null
     * @throws ApiError 400 when a cursor names no object, or both are there
     */
    synchronized Page list(Resource resource, ObjectNode where, int limit, String after, String before) {
        if (after != null && before != null) {
            throw ApiError.invalid(null, "Send starting_after or ending_before, not both.", "ending_before");
        }
        var all = bySequence.get(resource);
        var range = before != null ? all.tailMap(cursor(resource, before, "ending_before"), false)
                : after != null ? all.headMap(cursor(resource, after, "starting_after"), false).descendingMap() : all.descendingMap();
        var items = new ArrayList<byte[]>();
        var more = false;
        for (var stored : range.values()) {
            if (!stored.deleted() && matches(stored, where)) {
                if (items.size() == limit) {
                    more = true;
                    break;
                }
                items.add(show(stored));
            }
        }
        if (before != null) {
            Collections.reverse(items);
        }
        return new Page(items, more);
    }

    /**
     * A page of the objects that have a text in one of some fields, in any case, newest first. Reads without holding the lock.
     */
    Page search(Resource resource, String text, List<String> fields, int limit, int offset) {
        List<Stored> all;
        synchronized (this) {
            all = List.copyOf(bySequence.get(resource).descendingMap().values());
        }
        var wanted = text.toLowerCase(Locale.ROOT);
        var found = all.stream().filter(stored -> !stored.deleted() && (wanted.isEmpty() || has(stored, wanted, fields)))
                .skip(offset).limit(limit + 1L).map(Stored::json).toList();
        return new Page(found.subList(0, Math.min(limit, found.size())), found.size() > limit);
    }

    private static boolean has(Stored stored, String wanted, List<String> fields) {
        var object = Json.object(stored.json());
        return fields.stream().map(field -> Json.text(object, field)).anyMatch(value -> value != null && value.toLowerCase(Locale.ROOT).contains(wanted));
    }

    /** Grows with each commit. */
    synchronized long version() {
        return version;
    }

    @Override
    public synchronized void close() throws IOException {
        if (journal != null) {
            journal.close();
        }
    }

    private Stored stored(Resource resource, String id) {
        var stored = byId.get(id);
        if (stored == null || stored.resource() != resource) {
            throw ApiError.missing(404, resource.object(), id, "id");
        }
        return stored;
    }

    private long cursor(Resource resource, String id, String param) {
        var stored = byId.get(id);
        if (stored == null || stored.resource() != resource) {
            throw ApiError.missing(400, resource.object(), id, param);
        }
        return stored.sequence();
    }

    private boolean matches(Stored stored, ObjectNode where) {
        for (var filter : stored.resource().filters()) {
            var wanted = where.get(filter.param().name());
            if (wanted != null && !filter.test().matches(this, stored.keys().get(filter.field()), wanted)) {
                return false;
            }
        }
        return Events.within(stored.created(), where.path("created"));
    }

    private byte[] show(Stored stored) {
        if (stored.resource() == Resources.EVENTS) {
            return Json.bytes(ApiVersion.spell(Json.object(stored.json()), this::live).put("pending_webhooks", owed.getOrDefault(stored.id(), Set.of()).size()));
        }
        var view = stored.resource().view();
        return view == null || stored.deleted() ? stored.json() : Json.bytes(view.apply(Json.object(stored.json())));
    }

    private void write(Commit commit) {
        if (!commit.isEmpty()) {
            if (journal != null) {
                journal.append(commit.toLine());
            }
            apply(commit);
        }
    }

    private void apply(Commit commit) {
        version++;
        for (var put : commit.puts()) {
            byId.put(put.id(), put);
            if (put.deleted()) {
                tombstones.merge(put.resource(), 1, Integer::sum);
            }
            bySequence.get(put.resource()).put(put.sequence(), put);
            sequence = Math.max(sequence, put.sequence());
            if (put.resource() == Resources.WEBHOOK_ENDPOINTS) {
                endpoints.put(Json.object(put.json()));
            }
        }
        for (var id : commit.removed()) {
            var old = byId.remove(id);
            bySequence.get(old.resource()).remove(old.sequence());
            endpoints.remove(id);
        }
        commit.owed().forEach((event, endpoints) -> owed.put(event, new LinkedHashSet<>(endpoints)));
        for (var settled : commit.settlements()) {
            var left = owed.get(settled.event());
            if (left != null && left.remove(settled.endpoint()) && left.isEmpty()) {
                owed.remove(settled.event());
            }
            if (!settled.delivered()) {
                givenUp.add(settled.event());
            }
        }
        if (commit.kept() != null) {
            keys.keep(commit.kept());
        }
    }

    private void forgetOldEvents() {
        var events = bySequence.get(Resources.EVENTS);
        var oldest = now() - EVENTS_KEPT_SECONDS;
        while (!events.isEmpty() && events.firstEntry().getValue().created() < oldest) {
            var event = events.pollFirstEntry().getValue();
            byId.remove(event.id());
            owed.remove(event.id());
            givenUp.remove(event.id());
        }
    }

    private Stream<byte[]> snapshot() {
        var objects = bySequence.values().stream().flatMap(all -> all.values().stream()).map(stored -> {
            var pending = owed.containsKey(stored.id()) ? Map.of(stored.id(), owed.get(stored.id())) : Map.<String, Set<String>>of();
            var settled = givenUp.contains(stored.id()) ? List.of(new Commit.Settlement(stored.id(), "", false)) : List.<Commit.Settlement>of();
            return new Commit(List.of(stored), List.of(), pending, settled, null);
        });
        var answers = keys.all(now()).stream().map(kept -> new Commit(List.of(), List.of(), Map.of(), List.of(), kept));
        return Stream.concat(objects, answers).map(Commit::toLine);
    }
}
