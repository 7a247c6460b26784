package io.bactrian.state;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.time.Instant;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class PoliciesTest {

    private static final Policies POLICIES = Policies.of("newest, status: remote, unit_amount + currency: hub, tax: in, number: in except draft, url: once");

    @ParameterizedTest
    @CsvSource({"name, newest", "status, remote", "currency, hub", "tax, in", "number, in except draft", "url, once"})
    void each_field_has_a_word(String field, String word) {
        assertEquals(word, POLICIES.word(field));
    }

    @Test
    void some_fields_are_decided_together() {
        assertEquals(List.of("unit_amount", "currency"), POLICIES.together("currency"));
        assertEquals(List.of("name"), POLICIES.together("name"));
    }

    @ParameterizedTest
    @CsvSource(nullValues = "-", value = {
        "tax,    -,       true",
        "url,    -,       true",
        "status, paid,    false",
        "name,   paid,    false",
        "number, -,       false", // there is no object yet
        "number, draft,   false",
        "number, open,    true"})
    void what_belongs_to_the_remote_may_hang_on_the_status_that_it_told(String field, String status, boolean there) {
        assertEquals(there, POLICIES.belongsThere(field, States.empty().put("status", status)));
    }

    @Test
    void what_is_taken_once_stays_as_it_was_first_told() {
        var known = States.empty().put("url", "first").put("name", "Ada");
        assertEquals(States.empty().put("url", "first").put("name", "Grace"), POLICIES.keepOnce(States.empty().put("url", "second").put("name", "Grace"), known));
        assertEquals(States.empty().put("url", "second"), POLICIES.keepOnce(States.empty().put("url", "second"), States.empty().putNull("url")));
        assertEquals(States.empty().putNull("url"), POLICIES.keepOnce(States.empty().putNull("url"), known));
    }

    @ParameterizedTest
    @CsvSource(nullValues = "-", value = {
        "hub,             1,  9, HUB",
        "out,             1,  9, HUB",
        "remote,          9,  1, REMOTE",
        "once,            9,  1, REMOTE",
        "newest,          5,  6, REMOTE",
        "newest,          5,  5, HUB", // of the same second: counts as the older one
        "newest,          5,  4, HUB",
        "newest,          -,  9, HUB", // the table does not say when it was changed
        "newest,          5,  -, HUB",
        "in except draft, 5,  6, REMOTE"})
    void the_word_says_who_wins(String word, Long changed, Long edited, Side winner) {
        assertEquals(winner, Policies.winner(word, changed == null ? null : Instant.ofEpochSecond(changed), edited == null ? null : Instant.ofEpochSecond(edited)));
    }

    @Test
    void an_unknown_word_names_those_there_are() {
        var unfit = assertThrows(Unfit.class, () -> Policies.winner("oldest", null, null));
        assertEquals("unknown conflict policy oldest: use newest, hub, remote, once, in or out", unfit.getMessage());
    }
}
