package io.bactrian.sync;

import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import org.apache.camel.CamelContext;
import org.apache.camel.CamelContextAware;
import org.apache.camel.ProducerTemplate;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Begins what is done again and again, for each integration or system: for all at once, for none before its last round has ended. */
public final class Rounds implements CamelContextAware {

    private static final Logger LOG = LoggerFactory.getLogger(Rounds.class);

    private final Set<String> underWay = ConcurrentHashMap.newKeySet();
    private CamelContext camel;
    private Machinery machinery;

    /** What can only be had once the routes are known. */
    private record Machinery(List<Integration> integrations, Collection<RemoteSystem> systems, ProducerTemplate routes, ExecutorService workers) {
    }

    /**
     * Lets the route {@code reconcile-run} go on for each integration that can be listed. It gets the variables system, prefix, entity, resource, mappings, call, fields,
     * policy, match, pointer, hub_pointer, and background.
     */
    public void reconcile() {
        for (var one : machinery().integrations) {
            if (one.listed()) {
                begin("reconcile-run", one.system() + " " + one.entity(), Map.ofEntries(
                        Map.entry("system", one.system()), Map.entry("prefix", one.prefix()), Map.entry("entity", one.entity()), Map.entry("resource", one.resource()),
                        Map.entry("mappings", one.mappings()), Map.entry("call", one.call()), Map.entry("fields", "{" + String.join(",", one.fields()) + "}"),
                        Map.entry("policy", one.policy()), Map.entry("match", one.match()), Map.entry("pointer", one.pointer()),
                        Map.entry("hub_pointer", one.hubPointer())));
            }
        }
    }

    /** Lets a route go on for each system of that prefix. It gets the variables system, prefix and background. */
    public void systems(String prefix, String route) {
        for (var one : machinery().systems) {
            if (one.prefix().equals(prefix)) {
                begin(route, one.name(), Map.of("system", one.name(), "prefix", one.prefix()));
            }
        }
    }

    private void begin(String route, String name, Map<String, String> variables) {
        var key = route + " " + name;
        if (!underWay.add(key)) {
            return;
        }
        machinery().workers.execute(() -> {
            try {
                var exchange = machinery().routes.request("direct:" + route + "?block=false", one -> {
                    variables.forEach(one::setVariable);
                    one.setVariable("background", "true");
                });
                if (exchange.getException() != null && !camel.isStopping()) {
                    LOG.warn("{}: {} failed with a {}", name, route, exchange.getException().getClass().getSimpleName());
                }
            } finally {
                underWay.remove(key);
            }
        });
    }

    private synchronized Machinery machinery() {
        if (machinery == null) {
            machinery = new Machinery(Integration.of(camel), RemoteSystem.of(camel).values(), camel.createProducerTemplate(), camel.getExecutorServiceManager().newCachedThreadPool(this, "rounds"));
        }
        return machinery;
    }

    @Override
    public CamelContext getCamelContext() {
        return camel;
    }

    @Override
    public void setCamelContext(CamelContext camelContext) {
        camel = camelContext;
    }
}
