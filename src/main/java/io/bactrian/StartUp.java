package io.bactrian;

import io.bactrian.capture.Topics;
import io.bactrian.sync.Integration;
import io.bactrian.watch.Meters;
import io.bactrian.watch.Watch;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.util.List;
import java.util.UUID;
import java.util.function.BooleanSupplier;
import org.apache.camel.CamelContext;
import org.apache.camel.Ordered;
import org.apache.camel.StartupListener;
import org.apache.camel.VetoCamelContextStartException;
import org.apache.camel.health.HealthCheckRegistry;
import org.apache.camel.main.BaseMainSupport;
import org.apache.camel.main.MainListenerSupport;
import org.apache.camel.spi.OnCamelContextStarted;
import org.apache.camel.spi.OnCamelContextStopped;
import org.apache.camel.support.LifecycleStrategySupport;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The order of things at start: check the settings and the ports; read the routes and open both HTTP servers, with health DOWN; wait for
 * Postgres, migrate it, wait for Kafka, create the topics; start the routes; health UP.
 */
final class StartUp extends MainListenerSupport implements StartupListener, Ordered {

    private static final Logger LOG = LoggerFactory.getLogger(StartUp.class);

    private final Readiness readiness = new Readiness();
    private final Patience patience;
    private final Runnable whenReady;
    private final String instance = UUID.randomUUID().toString();
    private Settings settings;
    private HttpServers http;
    private PostgresStartUp postgres;
    private volatile boolean started;

    /**
     * @param stopped whether the process was told to end
     * @param whenReady is called once everything is started
     */
    StartUp(BooleanSupplier stopped, Runnable whenReady) {
        patience = new Patience(readiness, stopped);
        this.whenReady = whenReady;
    }

    /** The settings can be read, nothing has been made from them. */
    @Override
    public void beforeConfigure(BaseMainSupport main) {
        var camel = main.getCamelContext();
        LogLevels.apply(camel);
        settings = Settings.of(camel);
        // Names this process where instances compete.
        camel.getPropertiesComponent().addInitialProperty("instance.id", instance);
        settings.defaults().forEach((name, value) -> camel.getPropertiesComponent().addOverrideProperty(name, value));
        http = HttpServers.prepare(camel, settings);
    }

    @Override
    public void afterConfigure(BaseMainSupport main) {
        // Camel looks for them itself, but before it makes the beans of application.properties.
        main.getCamelContext().getRegistry().findByType(Meters.class).forEach(main.getCamelContext().getManagementStrategy()::addEventNotifier);
        try {
            main.getCamelContext().addStartupListener(this);
            main.getCamelContext().addLifecycleStrategy(LifecycleStrategySupport.adapt((OnCamelContextStarted) camel -> started()));
            main.getCamelContext().addLifecycleStrategy(LifecycleStrategySupport.adapt((OnCamelContextStopped) camel -> stopped()));
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }

    /** The routes have been read and the HTTP servers are open; no route has been started. */
    @Override
    public void onCamelContextStarting(CamelContext camel, boolean alreadyStarted) throws Exception {
        var health = HealthCheckRegistry.get(camel);
        // Ours says more, and does not call the process dead while it waits.
        health.getCheck("context").ifPresent(health::unregister);
        health.register(readiness);
        camel.getRegistry().findByType(Watch.class).forEach(watch -> watch.checks().forEach(health::register));
        http.guard(camel, readiness);
        if (!waitForServers(camel)) {
            throw new VetoCamelContextStartException("told to end while waiting", camel, false);
        }
    }

    private boolean waitForServers(CamelContext camel) throws InterruptedException {
        var integrations = integrations(camel);
        postgres = new PostgresStartUp(settings);
        if (!patience.waitFor(postgres.name(), postgres::connect) || !patience.waitFor(postgres.name(), postgres::migrate)
                || !patience.waitFor(postgres.name(), () -> postgres.register(integrations))
                || !patience.waitFor(postgres.name(), postgres::checkInstallation)) {
            return false;
        }
        postgres.paused().ifPresent(because -> LOG.warn("all systems are paused: {}", because));
        var topics = camel.getRegistry().lookupByNameAndType("topics", Topics.class);
        var kafka = new KafkaStartUp(settings, topics);
        return patience.waitFor(kafka.name(), () -> kafka.connect(postgres.entities()));
    }

    private static List<Integration> integrations(CamelContext camel) {
        try {
            return Integration.of(camel);
        } catch (IllegalArgumentException e) {
            throw new StartUpException(e.getMessage(), e);
        }
    }

    @Override
    public void onCamelContextStarted(CamelContext camel, boolean alreadyStarted) {
        // Too early: routes are still to be started. And onCamelContextFullyStarted may be told to nobody: for as long as Camel starts a route
        // all startup listeners are off its list, and the first heartbeat starts the listener's at about that time.
    }

    private void started() {
        readiness.ready();
        started = true;
        LOG.info("ready: public HTTP on {}, health and metrics on {}", http.publicUrl(), http.managementUrl());
        if (!isLoopback(settings.httpHost())) {
            LOG.warn("the API has no authentication yet, and http.host lets others reach it: let only /webhooks/ through to the outside");
        }
        whenReady.run();
    }

    /** No route runs any longer. */
    private void stopped() {
        if (started) {
            postgres.releaseOutbox(instance);
        }
    }

    private static boolean isLoopback(String host) {
        try {
            return InetAddress.getByName(host).isLoopbackAddress();
        } catch (UnknownHostException e) {
            return false;
        }
    }

    @Override
    public void beforeStop(BaseMainSupport main) {
        readiness.notReady("stopping");
    }

    /** Last, after the HTTP servers. */
    @Override
    public int getOrder() {
        return Ordered.LOWEST;
    }
}
