package io.bactrian.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.bactrian.engine.Hub.Conflict;
import io.bactrian.state.Link;
import io.bactrian.state.Policies;
import io.bactrian.state.Side;
import io.bactrian.state.States;
import io.bactrian.state.Table;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeSet;
import java.util.function.Supplier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The three-way merge, by values alone. */
class MergeTest {

    private static final Table CUSTOMERS = new Table("customers", true, false, false, Map.of());
    private static final Instant CHANGED = Instant.parse("2026-01-01T00:00:10Z");
    private static final List<String> FIELDS = List.of("a", "b", "c");

    private static Link link(ObjectNode hubBase, ObjectNode remoteBase) {
        var link = new Link(States.empty().put("system", "stripe").put("entity", "customers").put("record_id", "1").put("external_id", "cus_1"));
        link.hubBase = hubBase;
        link.remoteBase = remoteBase;
        return link;
    }

    private static Merge merge(ObjectNode base, ObjectNode hub, ObjectNode remote, long secondsLater, String policy) {
        var record = hub == null ? null : States.join(hub).put("updated_at", CHANGED.toString());
        return new Merge(link(base, base), record, remote, CHANGED.plusSeconds(secondsLater), FIELDS, Policies.of(policy), CUSTOMERS);
    }

    private static ObjectNode a(String value) {
        return States.empty().put("a", value).putNull("b").putNull("c");
    }

    @ParameterizedTest
    @CsvSource(nullValues = "-", value = {
        // base, hub, remote, seconds later, policy -> what the hub takes, outcome
        "x, x, x, 1, newest, -, unchanged",
        "x, x, y, 1, newest, y, applied",
        "x, y, x, 1, newest, -, unchanged",
        "x, y, y, 1, newest, -, unchanged",
        "x, y, z, 1, newest, z, conflict",
        "x, y, z, 0, newest, -, conflict",
        "x, y, z, 9, hub,    -, conflict",
        "x, y, z, -9, remote, z, conflict",
        "-, -, z, 1, newest, z, applied",
        "x, x, -, 1, newest, null, applied"})
    void a_field_is_taken_kept_or_decided(String base, String hub, String remote, long later, String policy, String taken, String outcome) {
        var merge = merge(a(base), a(hub), a(remote), later, policy);
        assertEquals(taken, merge.take().has("a") ? merge.take().get("a").asText() : null);
        assertEquals(outcome, merge.outcome());
    }

    @Test
    void a_delete_wins_and_what_was_edited_is_kept() {
        var merge = merge(a("x"), null, a("y"), 1, "remote");
        assertEquals(States.empty(), merge.take());
        assertEquals(List.of(new Conflict("a", a("x").get("a"), null, a("y").get("a"), Side.HUB, "deleted in the hub, edited in stripe")), merge.conflicts());
    }

    @Test
    void fields_that_are_decided_together_are_never_mixed() {
        var base = States.empty().put("a", 100).put("b", "EUR").putNull("c");
        var hub = States.empty().put("a", 200).put("b", "EUR").putNull("c");
        var remote = States.empty().put("a", 100).put("b", "USD").putNull("c");
        assertEquals(States.empty(), merge(base, hub, remote, 0, "newest, a + b: newest").take());
        var later = merge(base, hub, remote, 1, "newest, a + b: newest");
        assertEquals(States.empty().put("a", 100).put("b", "USD"), later.take());
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            {"city": "London", "zip": "1"} | {"city": "London"} | {"city": "York"} | {"city": "York", "zip": "1"}
            {"city": "London", "zip": "1"} | {"city": "London", "zip": "1"} | {"city": "London"} | {"city": "London"}
            "long text"                    | "long"             | "short"          | "short"
            """)
    void of_an_object_only_the_keys_that_moved_there_are_taken(String hub, String from, String to, String taken) throws Exception {
        assertEquals(json(taken), Merge.edited(json(hub), json(from), json(to)));
    }

    @ParameterizedTest
    @CsvSource({"'long text', long, true", "'long text', 'long text', false", "'long ', long, false", "long, '', false", "'långt namn', långt, true"})
    void a_text_that_was_cut_for_the_remote_is_not_seen_whole_there(String hub, String remote, boolean cut) {
        var texts = States.JSON.createArrayNode().add(hub).add(remote).add("edited");
        assertEquals(cut, Merge.isCut(texts.get(0), texts.get(1), texts.get(2)));
    }

    private static JsonNode json(String text) throws Exception {
        return States.JSON.readTree(text);
    }

    /** Whatever three states there are: the rules of a merge, said another way. */
    @Test
    void the_rules_hold_for_any_states() {
        long seed = Long.getLong("seed", System.nanoTime());
        var random = new Random(seed);
        for (int i = 0; i < 20_000; i++) {
            var base = state(random);
            var hub = state(random);
            var remote = state(random);
            var policy = List.of("newest", "hub", "remote").get(random.nextInt(3));
            long later = random.nextInt(3) - 1;
            var merge = merge(base, hub, remote, later, policy);
            Supplier<String> told = () -> "-Dseed=" + seed + ": " + base + " here " + hub + " there " + remote + " " + policy + " " + later;
            check(merge, base, hub, remote, policy.equals("remote") || policy.equals("newest") && later > 0, told);
        }
    }

    private static void check(Merge merge, ObjectNode base, ObjectNode hub, ObjectNode remote, boolean remoteWins, Supplier<String> told) {
        for (var field : FIELDS) {
            boolean here = !States.same(base.get(field), hub.get(field));
            boolean there = !States.same(base.get(field), remote.get(field));
            boolean equal = States.same(hub.get(field), remote.get(field));
            boolean both = here && there && !equal;
            assertEquals(there && !here || both && remoteWins, merge.take().has(field), told);
            assertEquals(both, merge.conflicts().stream().anyMatch(one -> one.field().equals(field)), told);
        }
        assertEquals(merge.conflicts().size(), new TreeSet<>(merge.conflicts().stream().map(Conflict::field).toList()).size(), told);
        // Once it is taken, the same state again changes nothing.
        var after = States.join(hub, merge.take());
        var again = new Merge(link(States.pick(after, FIELDS), remote), after, remote, CHANGED, FIELDS, Policies.of("newest"), CUSTOMERS);
        assertEquals("unchanged", again.outcome(), told);
    }

    private static ObjectNode state(Random random) {
        var state = States.empty();
        FIELDS.forEach(field -> {
            switch (random.nextInt(4)) {
                case 0 -> state.putNull(field);
                case 1 -> state.put(field, "x");
                case 2 -> state.put(field, "y");
                default -> state.put(field, 1);
            }
        });
        return state;
    }
}
