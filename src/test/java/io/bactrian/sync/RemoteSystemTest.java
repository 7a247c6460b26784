package io.bactrian.sync;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What a route file says of another system's answers. */
class RemoteSystemTest {

    @ParameterizedTest
    @CsvSource({"404, resource_missing, gone", "404, other, permanent", "404,, permanent", "409, locked, transient", "403,, denied", "500,, ''"})
    void an_answer_means_what_is_said_of_its_code_and_else_of_its_status(int status, String code, String meaning) {
        var answers = RemoteSystem.answers("404 resource_missing: gone, 404: permanent,409: transient, 403: denied", (parameter, reason) -> new IllegalArgumentException(reason));
        assertEquals(meaning, new RemoteSystem("shop", "shop", "shop", "shopSignature", answers, null).meaning(status, code).orElse(""));
    }

    @Test
    void nothing_said_is_nothing_known() {
        assertEquals(Map.of(), RemoteSystem.answers(" ", (parameter, reason) -> new IllegalArgumentException(reason)));
    }

    @ParameterizedTest
    @ValueSource(strings = {"404", "404: away", "x: gone", "404 a b: gone", "404: gone; 409: transient"})
    void what_means_nothing_is_refused_with_what_it_must_be(String text) {
        assertEquals("answers", assertThrows(IllegalArgumentException.class, () -> RemoteSystem.answers(text, (parameter, reason) -> new IllegalArgumentException(parameter)))
                .getMessage());
    }
}
