package io.bactrian.sandbox.stripe;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class FormTest {

    @Test
    void nests_brackets() {
        assertEquals(Map.of("address", Map.of("city", "Oslo", "line1", ""), "name", "Zoë & Co"),
                Form.decode("address[city]=Oslo&address%5Bline1%5D=&name=Zo%C3%AB+%26+Co"));
    }

    @Test
    void numbers_list_items_with_and_without_index() {
        assertEquals(Map.of("expand", Map.of("0", "customer", "1", "lines")), Form.decode("expand[]=customer&expand[]=lines"));
        assertEquals(Map.of("items", Map.of("0", Map.of("price", "a"), "1", Map.of("price", "b"))), Form.decode("items[0][price]=a&items[1][price]=b"));
    }

    @Test
    void reads_an_empty_form() {
        assertEquals(Map.of(), Form.decode(""));
        assertEquals(Map.of("name", ""), Form.decode("name"));
    }

    @ParameterizedTest
    @ValueSource(strings = {"name=%zz", "a[b=c", "a=1&a[b]=2"})
    void rejects_what_is_broken(String form) {
        assertEquals(400, assertThrows(ApiError.class, () -> Form.decode(form)).status);
    }
}
