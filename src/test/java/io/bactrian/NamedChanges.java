package io.bactrian;

import io.bactrian.bench.Latencies;
import io.bactrian.bench.Pace;
import io.bactrian.sandbox.stripe.ApiCall;
import io.bactrian.sandbox.stripe.StripeSimulator;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;

/** Changes at a steady rate, each of which writes a name of its own, so that it can be told how long each took to reach an account. */
final class NamedChanges {

    /** Makes one change, and commits it. */
    interface Change {

        void make(int number, String name) throws SQLException;
    }

    private final String prefix;
    private final int records;
    private final List<Instant> committed = new ArrayList<>();

    /**
     * @param prefix of the names
     * @param records how many there are: they are changed in turn, round and round
     */
    NamedChanges(String prefix, int records) {
        this.prefix = prefix;
        this.records = records;
    }

    /** Makes so many, numbered from 0, at that rate a second. */
    NamedChanges make(int number, int rate, Change change) throws SQLException {
        var pace = new Pace(rate);
        for (int i = 0; i < number; i++) {
            pace.await();
            change.make(i, prefix + " " + i);
            committed.add(Instant.now());
        }
        return this;
    }

    int count() {
        return committed.size();
    }

    /**
     * From each commit to the first call that carried its name out, or a later name of its record; those that no such call followed have
     * none.
     */
    Latencies latencies(StripeSimulator account) {
        var calls = new HashMap<Object, Instant>();
        account.apiCalls().stream().filter(ApiCall::wrote).forEach(call -> calls.putIfAbsent(call.params().get("name"), call.time()));
        var latencies = new Latencies();
        var arrived = new Instant[committed.size() + records];
        for (int i = committed.size() - 1; i >= 0; i--) {
            arrived[i] = calls.getOrDefault(prefix + " " + i, arrived[i + records]);
            if (arrived[i] != null) {
                latencies.record(Duration.between(committed.get(i), arrived[i]).toNanos());
            }
        }
        return latencies;
    }
}
