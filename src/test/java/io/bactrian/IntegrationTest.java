package io.bactrian;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.bactrian.sandbox.SandboxKafka;
import io.bactrian.sync.Sql;
import java.util.List;
import org.junit.jupiter.api.Test;

class IntegrationTest {

    @Test
    void tells_postgres_what_the_route_files_say() throws Exception {
        var database = TestServices.database();
        try (var kafka = SandboxKafka.startTemporary(); var application = TestApplication.builder().postgres(database.jdbcUrl()).kafka(kafka).start();
                var sql = Sql.open(database.dataSource())) {
            assertEquals(List.of("stripe customers {name,email,phone,description,address} newest follow follow routes/stripe-customers.camel.yaml"),
                    sql.texts("select concat_ws(' ', system, entity, fields, policy, deletes_out, deletes_in, defined_in) from sync.integration where entity = 'customers' and system = 'stripe'"));
            assertEquals("{name,description,active,unit_amount,currency}", sql.text("select fields from sync.integration where entity = 'products'"));
        }
    }
}
