package io.bactrian.sandbox;

/** What the sandbox prints once it is up: what runs where, and three things to try. */
record SandboxSummary(SandboxSettings settings, SandboxParts parts) {

    @Override
    public String toString() {
        var api = "http://" + settings.get("http.host") + ":" + settings.get("http.port") + "/api/customers";
        var psql = "psql " + (parts.postgresAddress() == null ? "<your Postgres>" : parts.postgresAddress());
        return """

                The sandbox is up. Its state is kept in %s; 'mvn -Psandbox clean' wipes it. Ctrl-C ends it.

                  Customers         %s
                  Health            http://%s:%s/observe/health
                  Postgres          %s
                  Kafka             %s
                  Stripe            %s
                  Mail              %s

                Three things to try:

                  Change a customer with SQL, and see the change in Stripe's page:
                    %s -c "update customers set name = 'Ada King' where email = 'ada@example.com'"

                  Add one with curl, and see the welcome in the mail's page:
                    curl %s -H 'Content-Type: application/json' -d '{"name": "Grace Hopper", "email": "grace@example.com"}'

                  Edit or delete one in Stripe's page, and see the change in the catalogue:
                    curl %s
                """.formatted(
                settings.get("sandbox.directory", ".sandbox/"),
                api,
                settings.get("management.host"), settings.get("management.port"),
                parts.postgresAddress() == null ? "yours" : parts.postgresAddress(),
                parts.kafkaAddress() == null ? "yours" : parts.kafkaAddress(),
                parts.stripePage() == null ? "yours" : parts.stripePage() + " (a simulator with its page)",
                parts.mailPage() == null ? "yours" : parts.mailPage() + " (nobody gets it, the page shows it)",
                psql, api, api);
    }
}
