package io.bactrian.state;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class StatesTest {

    private static JsonNode json(String text) throws JsonProcessingException {
        return States.JSON.readTree(text);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            1                      | 1.0                    | true
            1e2                    | 100                    | true
            0.1                    | 0.10                   | true
            1                      | "1"                    | false
            null                   | null                   | true
            {"a": 1, "b": 2}       | {"b": 2.0, "a": 1}     | true
            {"a": null}            | {}                     | false
            [1, 2]                 | [1.0, 2]               | true
            [1, 2]                 | [2, 1]                 | false
            {"a": {"b": [1.50]}}   | {"a": {"b": [1.5]}}    | true
            1e999999999            | 1e999999998            | false
            9007199254740993       | 9007199254740992       | false
            "é"                    | "\\u00e9"              | true
            """)
    void values_are_the_same_as_to_postgres(String one, String other, boolean same) throws Exception {
        assertEquals(same, States.same(json(one), json(other)));
        assertEquals(same, States.same(json(other), json(one)));
        if (same) {
            assertEquals(States.canonical(json(one)), States.canonical(json(other)));
        } else {
            assertNotEquals(States.canonical(json(one)), States.canonical(json(other)));
        }
    }

    @Test
    void a_field_that_is_missing_is_null() throws Exception {
        assertEquals(List.of(), States.moved(json("{\"a\": null}"), json("{}"), List.of("a")));
        assertEquals(List.of("a"), States.moved(null, json("{\"a\": 1}"), List.of("a", "b")));
        assertEquals(json("{\"a\": null}"), States.pick(null, List.of("a")));
    }

    @Test
    void the_parts_of_a_record_take_the_place_of_the_star_shorter_ids_first() throws Exception {
        var fields = List.of("customer_id", "invoice_items/*", "memo");
        assertEquals(List.of("customer_id", "invoice_items/9", "invoice_items/10", "memo"),
                States.fields(fields, json("{\"invoice_items/10\": {}, \"memo\": 1}"), null, json("{\"invoice_items/9\": null}")));
        assertEquals(List.of("a"), States.fields(List.of("a"), json("{\"b/1\": 1}")));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            before part/1 after | before
            part/2 part/1       | part/1
            part/1 after        | part/1
            after               | after
            before after        | before
            """)
    void a_call_is_about_what_goes_before_the_parts_or_one_part_or_what_goes_after(String moved, String call) {
        var all = List.of(moved.split(" "));
        assertEquals(List.of(call), States.oneCall(List.of("before", "part/*", "after"), all, all));
    }
}
