package io.bactrian.sync;

import io.bactrian.TestServices;
import java.util.Random;
import org.junit.jupiter.api.Test;

/**
 * The same runs every time, so that a failure belongs to the change that caused it. {@code -Dseed=...} repeats one of them,
 * {@code -Druns=... -Dseeds=...} makes more and other ones.
 */
class RandomEditsTest {

    @Test
    void both_sides_end_equal_whatever_happens_between_them() throws Exception {
        var given = Long.getLong("seed");
        int runs = given == null ? Integer.getInteger("runs", 60) : 1;
        int steps = Integer.getInteger("steps", 300);
        var seeds = new Random(Long.getLong("seeds", 2026));
        try (var sql = Sql.open(TestServices.database().dataSource())) {
            sql.run("set synchronous_commit = off");
            for (int i = 0; i < runs; i++) {
                long seed = given == null ? seeds.nextInt(Integer.MAX_VALUE) : given;
                var edits = new RandomEdits(seed, sql);
                try {
                    edits.run(steps);
                } catch (AssertionError | java.sql.SQLException e) {
                    var journal = given == null ? "" : "\n" + String.join("\n", edits.journal());
                    throw new AssertionError("-Dseed=" + seed + " -Dsteps=" + steps + ": " + e.getMessage() + journal, e);
                }
            }
        }
    }
}
