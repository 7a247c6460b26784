package io.bactrian;
public class Scratch {
    public static void main(String[] a) throws Exception {
        var db = TestServices.database();
        var k = TestServices.kafka();
        System.setProperty("postgres.url", db.jdbcUrl()); System.setProperty("postgres.username","bactrian"); System.setProperty("postgres.password","bactrian");
        System.setProperty("http.port","8080"); System.setProperty("management.port","29876"); System.setProperty("kafka.brokers", k.bootstrap());
        System.setProperty("stripe.api-key", "sk_test_sandbox"); System.setProperty("stripe.webhook-secret", "whsec_sandbox"); System.setProperty("stripe.api-base", "http://127.0.0.1:22111");
        var sim = io.bactrian.sandbox.stripe.StripeSimulator.start(io.bactrian.sandbox.stripe.StripeSimulator.Options.inMemory().withPort(22111).withApiKey("sk_test_sandbox").withWebhookSecret("whsec_sandbox").withWebhookUrl("http://127.0.0.1:8080/webhooks/stripe"));
        System.out.println("DB " + db.jdbcUrl());
        try (var admin = org.apache.kafka.clients.admin.Admin.create(java.util.Map.of("bootstrap.servers", k.bootstrap()))) {
            admin.createTopics(java.util.List.of(new org.apache.kafka.clients.admin.NewTopic("changes.customers", 6, (short)1).configs(java.util.Map.of("max.message.bytes","16777216")))).all().get();
        }
        Main.main(a);
    }
}
