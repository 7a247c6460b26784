package io.bactrian.sync;

import java.util.ArrayList;
import java.util.List;
import org.apache.camel.component.kafka.consumer.KafkaManualCommit;

/** A look at a record, which all changes share that come before it begins: it will see them. */
final class Look {

    private final Work work;
    private final String route;
    private final List<KafkaManualCommit> changes;
    private boolean begun;

    /** @param route the route that asked for it */
    Look(Work work, String route, KafkaManualCommit change) {
        this(work, route, new ArrayList<>(List.of(change)));
    }

    private Look(Work work, String route, List<KafkaManualCommit> changes) {
        this.work = work;
        this.route = route;
        this.changes = changes;
    }

    Work work() {
        return work;
    }

    String route() {
        return route;
    }

    /** Whether it will see that change, too. */
    synchronized boolean shows(KafkaManualCommit change) {
        return !begun && changes.add(change);
    }

    /** Whether it begins now, and has not begun before. */
    synchronized boolean begin() {
        boolean first = !begun;
        begun = true;
        return first;
    }

    /** The same once more, because it was interrupted. */
    Look again() {
        return new Look(work, route, changes);
    }

    void done() {
        changes.forEach(KafkaManualCommit::commit);
    }
}
