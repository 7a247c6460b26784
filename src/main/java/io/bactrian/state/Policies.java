package io.bactrian.state;

import static io.bactrian.state.States.get;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Who decides each field: {@code newest, status: remote, unit_amount + currency: newest} is newest, but remote for the status, and amount and currency are decided together.
 * {@code tax: in} belongs to the remote: it is never sent, and an edit here is put back; {@code number: in except draft} unless the status that the remote last told is
 * draft, or there is no object yet. {@code hosted_url: once} is taken once, because the remote spells it anew each time.
 */
public final class Policies {

    private static final Map<String, Policies> KNOWN = new ConcurrentHashMap<>();
    private static final String EXCEPT = "in except ";

    /** What is said of some fields. */
    private record Rule(List<String> fields, String word) {
    }

    private final String usual;
    private final List<Rule> rules = new ArrayList<>();

    private Policies(String text) {
        var said = text.split(",");
        usual = said[0].strip();
        for (var one : said) {
            int colon = one.indexOf(':');
            if (colon >= 0) {
                rules.add(new Rule(List.of(one.substring(0, colon).strip().split("\\s*\\+\\s*")), one.substring(colon + 1).strip()));
            }
        }
    }

    /** From its text, which {@code Integration} has checked. */
    public static Policies of(String text) {
        return KNOWN.computeIfAbsent(text, Policies::new);
    }

    /** The word for one field. */
    public String word(String field) {
        return rules.stream().filter(rule -> rule.fields.contains(field)).findFirst().map(Rule::word).orElse(usual);
    }

    /** The word for fields of which nothing is said. */
    public String usual() {
        return usual;
    }

    /** Whether something is said of single fields. */
    public boolean hasRules() {
        return !rules.isEmpty();
    }

    /** Whether some fields are decided together. */
    public boolean hasGroups() {
        return rules.stream().anyMatch(rule -> rule.fields.size() > 1);
    }

    /** Whether some fields may be the remote's alone. */
    public boolean hasInbound() {
        return rules.stream().anyMatch(rule -> rule.word.startsWith("in") || rule.word.startsWith("once"));
    }

    /** The fields that are decided together with one, that one among them. */
    public List<String> together(String field) {
        return rules.stream().filter(rule -> rule.fields.contains(field)).findFirst().map(Rule::fields).orElse(List.of(field));
    }

    /** Whether a field is the remote's alone, which last told {@code remote}. */
    public boolean belongsThere(String field, JsonNode remote) {
        if (!hasInbound()) {
            return false;
        }
        var word = word(field);
        if (word.startsWith(EXCEPT)) {
            var status = States.text(remote, "status");
            return status != null && !status.equals(word.substring(EXCEPT.length()));
        }
        return word.equals("in") || word.equals("once");
    }

    /** The fields that are left to the remote by name: what it makes of them stands, also when it is not what we sent. */
    public List<String> leftToRemote(List<String> fields) {
        return !hasRules() || usual.equals("remote") ? List.of() : fields.stream().filter(field -> List.of("remote", "in").contains(word(field))).toList();
    }

    /** A state in which what is taken once is as it was first told, for as long as there is one. */
    public ObjectNode keepOnce(ObjectNode state, JsonNode base) {
        if (state == null || base == null || rules.stream().noneMatch(rule -> rule.word.startsWith("once"))) {
            return state;
        }
        var kept = States.join(state);
        States.names(state).stream().filter(field -> word(field).equals("once") && States.has(state, field) && States.has(base, field))
                .forEach(field -> kept.set(field, get(base, field)));
        return kept;
    }

    /**
     * Who wins a field that both sides changed.
     *
     * @param changedAt when the record was changed; null for a table that does not say
     * @param editedAt the remote's clock, to the second: an edit of the same second counts as the older one
     * @throws Unfit when there is no such word
     */
    public static Side winner(String word, Instant changedAt, Instant editedAt) {
        return switch (word.startsWith(EXCEPT) ? "newest" : word) {
            case "hub", "out" -> Side.HUB;
            case "in", "remote", "once" -> Side.REMOTE;
            case "newest" -> changedAt != null && editedAt != null && editedAt.isAfter(changedAt) ? Side.REMOTE : Side.HUB;
            default -> throw new Unfit("P0001", "unknown conflict policy " + word + ": use newest, hub, remote, once, in or out");
        };
    }
}
