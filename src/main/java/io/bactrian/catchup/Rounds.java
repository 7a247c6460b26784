package io.bactrian.catchup;

import io.bactrian.sync.RemoteSystem;
import java.util.Collection;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import org.apache.camel.CamelContext;
import org.apache.camel.CamelContextAware;
import org.apache.camel.Exchange;
import org.apache.camel.support.DefaultExchange;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Begins what is done again and again, for each integration or system: for all at once, for none before its last round has ended. */
public final class Rounds implements CamelContextAware {

    private static final Logger LOG = LoggerFactory.getLogger(Rounds.class);

    private final Set<String> underWay = ConcurrentHashMap.newKeySet();
    private CamelContext camel;
    private Machinery machinery;

    /** What can only be had once the routes are known. */
    private record Machinery(Collection<RemoteSystem> systems, Routes routes, ExecutorService workers) {
    }

    /** One round. */
    interface Round {

        void run() throws Exception;
    }

    /** Lets a route go on for each system of that prefix. It gets the variables system, prefix and background. In: any exchange of the route that begins it. */
    public void systems(String prefix, String route, Exchange exchange) {
        for (var one : of(prefix)) {
            begin(exchange, route + " " + one.name(), () -> {
                var round = machinery().routes.exchange(one.name());
                round.setVariable("prefix", one.prefix());
                machinery().routes.send(route, round);
            });
        }
    }

    /** The systems of a prefix. */
    List<RemoteSystem> of(String prefix) {
        return machinery().systems.stream().filter(one -> one.prefix().equals(prefix)).toList();
    }

    /** Begins a round on a thread of its own, unless the last one of that name is under way. The end of the route that begins it waits for it. */
    void begin(Exchange exchange, String name, Round round) {
        if (!underWay.add(name)) {
            return;
        }
        var route = exchange.getFromRouteId();
        machinery().workers.execute(() -> {
            var running = new DefaultExchange(camel);
            camel.getInflightRepository().add(running, route);
            try {
                round.run();
            } catch (Exception e) {
                if (!camel.isStopping()) {
                    LOG.warn("{} failed with a {}", name, e.getClass().getSimpleName());
                }
            } finally {
                camel.getInflightRepository().remove(running, route);
                underWay.remove(name);
            }
        });
    }

    private synchronized Machinery machinery() {
        if (machinery == null) {
            machinery = new Machinery(RemoteSystem.of(camel).values(), new Routes(camel), camel.getExecutorServiceManager().newCachedThreadPool(this, "rounds"));
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
