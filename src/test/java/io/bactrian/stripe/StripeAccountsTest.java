package io.bactrian.stripe;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** How Stripe's list of events, the newest first, is read from the oldest on. */
class StripeAccountsTest {

    private static final ObjectMapper JSON = new ObjectMapper();

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '"', textBlock = """
            ""           | 3 2 1 | false | 1 2 3 |              | 3
            ""           | ""    | false | ""    |              |
            ""           | 9 8   | true  | ""    | older than 8 |
            older than 8 | 7 6   | true  | ""    | older than 6 |
            older than 6 | 5 4   | false | 4 5   | newer than 5 | 5
            newer than 5 | 7 6   | true  | 6 7   | newer than 7 | 7
            newer than 7 | 9 8   | false | 8 9   | newer than 9 | 9
            newer than 9 | ""    | false | ""    |              |
            """)
    void goes_back_to_the_oldest_page_and_from_there_to_the_newest(String place, String listed, boolean more, String expected, String next, Long reached) throws Exception {
        var page = StripeAccounts.oldestFirst(page(listed, more), place);
        assertEquals(expected, ids(page.get("data")));
        assertEquals(next, page.get("next").asText(null));
        assertEquals(reached, page.hasNonNull("reached") ? page.get("reached").asLong() : null);
    }

    @Test
    void does_not_take_a_list_for_read_whose_oldest_page_is_gone() throws Exception {
        var gone = page("", false);
        assertThrows(IllegalStateException.class, () -> StripeAccounts.oldestFirst(gone, "older than 6"));
    }

    private static JsonNode page(String ids, boolean more) throws JsonProcessingException {
        var events = Stream.of(ids.split(" ")).filter(id -> !id.isEmpty()).map("{\"id\": \"%1$s\", \"created\": %1$s}"::formatted).collect(Collectors.joining(", "));
        return JSON.readTree("{\"data\": [" + events + "], \"has_more\": " + more + "}");
    }

    private static String ids(JsonNode events) {
        var ids = Stream.<String>builder();
        events.forEach(event -> ids.add(event.get("id").asText()));
        return ids.build().collect(Collectors.joining(" "));
    }
}
