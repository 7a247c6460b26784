package io.bactrian.catchup;

import io.bactrian.sync.Failures;
import io.bactrian.sync.Inbound;
import io.bactrian.sync.Integration;
import io.bactrian.sync.Outbound;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executor;
import javax.sql.DataSource;
import org.apache.camel.CamelContext;
import org.apache.camel.CamelContextAware;
import org.apache.camel.Exchange;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Compares both sides as a whole, and mends them: lists all objects, compares page by page what is known of both, and lets workers mend what differs. What a run is,
 * and which steps it has, is told in {@code sql/migration/R__reconcile.sql}.
 */
public final class Reconciler implements CamelContextAware {

    private static final Logger LOG = LoggerFactory.getLogger(Reconciler.class);

    private final RunProgress progress = new RunProgress();
    private DataSource dataSource;
    private Rounds rounds;
    private Inbound inbound;
    private Outbound outbound;
    private Failures failures;
    private CamelContext camel;
    private Machinery machinery;

    /** What can only be had once the routes are known. */
    private record Machinery(List<Integration> integrations, Runs runs, Lister lister, Executor workers) {
    }

    /** Goes on with the runs that are under way, and starts those that are due: of all integrations at once. In: any exchange of the route that asks for it. */
    public void goOn(Exchange exchange) {
        for (var integration : machinery().integrations) {
            if (integration.listed()) {
                rounds.begin(exchange, "the reconcile of " + integration.system() + " " + integration.entity(), () -> doPages(integration));
            }
        }
    }

    /** Page after page, until there is nothing to do or something stands in the way. */
    private void doPages(Integration integration) {
        boolean going = true;
        while (going && !camel.isStopping()) {
            Run run = null;
            try {
                run = machinery().runs.take(integration).orElse(null);
                going = run != null;
                if (going) {
                    doPage(run, integration);
                }
            } catch (Exception e) {
                going = false;
                putOff(run, integration, e);
            }
        }
    }

    private void doPage(Run run, Integration integration) throws Exception {
        if (run.isListing()) {
            machinery().runs.keep(run, integration, machinery().lister.list(integration, run.position()));
        } else if (run.isMending()) {
            mend(run, integration);
        } else {
            inbound.compare(integration, run.id(), run.step(), run.position());
        }
    }

    /** Each record under its lease, as if it had changed: what does not succeed waits in sync.failure. */
    private void mend(Run run, Integration integration) throws Exception {
        var work = machinery().runs.work(run).orElse(null);
        if (work == null) {
            return;
        }
        var looks = work.records().stream()
                .map(id -> CompletableFuture.runAsync(() -> outbound.look(integration, id, "reconcile " + run.id(), work.unlisted()), machinery().workers))
                .toArray(CompletableFuture[]::new);
        try {
            CompletableFuture.allOf(looks).get();
        } catch (ExecutionException e) {
            throw e.getCause() instanceof Exception cause ? cause : e;
        }
        machinery().runs.end(run, work);
    }

    private void putOff(Run run, Integration integration, Exception failure) {
        var refusal = failures.refusal(integration.system(), failure);
        LOG.warn("{} {}: a page of a reconcile cannot be done now, it is tried again: {}", integration.system(), integration.entity(), refusal.reason());
        if (run != null) {
            machinery().runs.putOff(run, refusal);
        }
    }

    /** Tells how far the runs of this instance are. */
    public void report() {
        for (var run : machinery().runs.report()) {
            LOG.info("{}", run.get("line"));
            progress.show(run);
        }
    }

    public void setDataSource(DataSource dataSource) {
        this.dataSource = dataSource;
    }

    /** Begins the rounds. */
    public void setRounds(Rounds rounds) {
        this.rounds = rounds;
    }

    /** Maps what is listed, and applies what it brings. */
    public void setInbound(Inbound inbound) {
        this.inbound = inbound;
    }

    /** Mends records. */
    public void setOutbound(Outbound outbound) {
        this.outbound = outbound;
    }

    /** Tells what a refusal means. */
    public void setFailures(Failures failures) {
        this.failures = failures;
    }

    private synchronized Machinery machinery() {
        if (machinery == null) {
            machinery = new Machinery(Integration.of(camel), new Runs(dataSource, camel), new Lister(new Routes(camel), inbound, failures),
                    camel.getExecutorServiceManager().newThreadPool(this, "reconcile", "reconcile"));
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
