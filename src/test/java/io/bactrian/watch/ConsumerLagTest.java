package io.bactrian.watch;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.bactrian.TestServices;
import io.bactrian.capture.Topics;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import org.apache.camel.builder.RouteBuilder;
import org.apache.camel.impl.DefaultCamelContext;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.junit.jupiter.api.Test;

class ConsumerLagTest {

    @Test
    void routes_of_others_do_not_hide_the_lag_of_any() throws Exception {
        var orders = TestServices.name("lag.orders");
        var shops = TestServices.name("lag.shops");
        try (var admin = Admin.create(Map.of("bootstrap.servers", TestServices.kafka().bootstrap())); var camel = new DefaultCamelContext()) {
            admin.createTopics(List.of(new NewTopic(orders, Optional.of(1), Optional.empty()), new NewTopic(shops, Optional.of(1), Optional.empty()))).all().get();
            var settings = new Properties();
            settings.put("kafka.brokers", TestServices.kafka().bootstrap());
            camel.getPropertiesComponent().setInitialProperties(settings);
            camel.addRoutes(new RouteBuilder() {
                @Override
                public void configure() {
                    for (var uri : List.of("kafka:" + orders + "?groupId=ours", "kafka:" + orders, "kafka:" + orders + "," + shops + "?groupId=both", "kafka:" + shops + "?groupId=ours",
                            "kafka:" + shops.replace("lag", "l.g") + "?groupId=pattern&topicIsPattern=true", "kafka:lag.none.*?groupId=none&topicIsPattern=true")) {
                        from(uri).autoStartup(false).to("log:read");
                    }
                }
            });
            camel.start();
            var topics = new Topics();
            topics.setCamelContext(camel);
            var lag = new ConsumerLag();
            lag.setCamelContext(camel);
            lag.setTopics(topics);
            var answer = lag.read();
            assertEquals(List.of(), answer.unread());
            assertEquals(List.of("both " + orders, "both " + shops, "ours " + orders, "ours " + shops, "pattern " + shops),
                    answer.lags().stream().map(one -> one.group() + " " + one.topic()).toList());
        }
    }
}
