package io.bactrian.sync;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Objects;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

class TurnsTest {

    private final Turns<String> turns = new Turns<>();

    @Test
    void lets_one_alone_go_before_the_rest_of_many() {
        Stream.of("a1", "a2", "a3", "a4").forEach(item -> turns.add("a", item));
        assertEquals("a1", turns.poll());
        turns.add("b", "b1");
        turns.add("c", "c1");
        assertEquals("a2 b1 c1 a3 a4", rest());
    }

    @Test
    void is_empty_at_the_end_and_begins_anew() {
        turns.add("a", "a1");
        assertEquals("a1", rest());
        turns.add("a", "a2");
        assertEquals("a2", rest());
    }

    private String rest() {
        return Stream.generate(turns::poll).takeWhile(Objects::nonNull).collect(Collectors.joining(" "));
    }
}
