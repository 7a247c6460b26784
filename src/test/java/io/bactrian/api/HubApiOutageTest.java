package io.bactrian.api;

import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.bactrian.Migrations;
import io.bactrian.TestServices;
import io.bactrian.sandbox.SandboxPostgres;
import org.junit.jupiter.api.Test;
import org.postgresql.ds.PGSimpleDataSource;

class HubApiOutageTest {

    @Test
    void asks_to_try_again_while_the_database_is_away() throws Exception {
        try (var postgres = SandboxPostgres.startTemporary(); var api = new HubApi(migrated(postgres))) {
            var customer = api.post("{\"name\":\"Ada\"}").header("Location");

            postgres.stop();
            for (var answer : new HubApi.Answer[] {api.get(customer), api.get("/api/customers"), api.get("/api/invoices"), api.post("{\"name\":\"Eve\"}")}) {
                assertEquals(503, answer.status());
                assertTrue(Integer.parseInt(answer.header("Retry-After")) > 0);
                assertEquals(
                        new ObjectMapper().readTree("""
                                {"type": "about:blank", "title": "Service Unavailable", "status": 503,
                                 "detail": "The database does not answer at present. Try again."}"""),
                        answer.json());
            }

            postgres.start();
            await().until(() -> api.get(customer).status() == 200);
        }
    }

    private static TestServices.Database migrated(SandboxPostgres postgres) {
        var dataSource = new PGSimpleDataSource();
        dataSource.setUrl(postgres.jdbcUrl());
        dataSource.setUser(SandboxPostgres.NAME);
        dataSource.setPassword(SandboxPostgres.NAME);
        Migrations.run(dataSource);
        return new TestServices.Database(SandboxPostgres.NAME, postgres.jdbcUrl(), SandboxPostgres.NAME, SandboxPostgres.NAME, dataSource);
    }
}
