package io.bactrian.api;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.bactrian.api.Problem.Fault;
import io.swagger.v3.oas.models.media.ArraySchema;
import io.swagger.v3.oas.models.media.ObjectSchema;
import io.swagger.v3.oas.models.media.Schema;
import java.util.List;
import org.junit.jupiter.api.Test;

class SchemaCheckTest {

    private static final ObjectMapper MAPPER = new ObjectMapper();

    @Test
    void finds_what_cannot_be_stored_in_lists_and_in_names() throws Exception {
        assertEquals(List.of("/1/0"), places("[\"a\", [\"\\u0000\"]]", new ArraySchema()));
        assertEquals(List.of("/a/b\0"), places("{\"a\": {\"b\\u0000\": 1}}", new ObjectSchema()));
    }

    @Test
    void names_no_more_than_twenty_faults() throws Exception {
        var many = "[" + "\"\\u0000\",".repeat(99) + "1]";

        assertEquals(20, places(many, new ArraySchema()).size());
    }

    private static List<String> places(String json, Schema<?> schema) throws Exception {
        return new SchemaCheck().faults(MAPPER.readTree(json), schema).stream().map(Fault::pointer).toList();
    }
}
