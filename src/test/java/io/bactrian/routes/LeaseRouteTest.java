package io.bactrian.routes;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** A record stays its worker's for as long as that waits for its turn. */
class LeaseRouteTest {

    private static final int RECORDS = 8;

    @Test
    void a_lease_is_renewed_when_the_wait_for_a_permit_was_longer() throws Exception {
        try (var scene = new StripeScene(settings -> settings.with("stripe.rate-limit", "1").with("sync.lease", "2 seconds"))) {
            scene.begin();
            scene.stripe().clearApiCalls();
            scene.run("insert into customers (name) select 'Customer ' || n from generate_series(1, " + RECORDS + ") n");
            scene.awaitText(RECORDS + "", "select count(*) from sync.link where entity = 'customers' and external_id is not null");
            scene.awaitEqual();
            var creates = scene.stripe().apiCalls().stream().filter(call -> call.method().equals("POST") && call.path().equals("/v1/customers")).toList();
            assertEquals(RECORDS, creates.size(), "each is made by one call");
            assertEquals(IntStream.rangeClosed(1, RECORDS).mapToObj(n -> "Customer " + n).sorted().toList(),
                    scene.dashboard().customers().stream().map(customer -> customer.get("name").asText()).sorted().toList());
        }
    }
}
