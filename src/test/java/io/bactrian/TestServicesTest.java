package io.bactrian;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;

import org.junit.jupiter.api.Test;

class TestServicesTest {

    @Test
    void gives_each_test_a_migrated_database_of_its_own() throws Exception {
        var one = TestServices.database();
        var other = TestServices.database();
        assertNotEquals(one.name(), other.name());
        try (var connection = one.dataSource().getConnection(); var statement = connection.createStatement()) {
            statement.execute("insert into public.customers (name) values ('Ada')");
        }
        try (var connection = other.dataSource().getConnection();
                var statement = connection.createStatement();
                var result = statement.executeQuery("select count(*) from public.customers")) {
            result.next();
            assertEquals(0, result.getInt(1));
        }
    }
}
