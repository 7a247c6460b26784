package io.bactrian;

import static org.junit.jupiter.api.Assertions.assertFalse;

import java.time.Duration;
import java.util.Random;

/**
 * A thousand invoices live on both sides at once, from draft to paid, void or given up, each changed about twelve times, in currencies of
 * none, two and three decimals; while the weather of {@link Chaos} rages and the application is killed again and again. In the end both sides
 * must be equal, line by line.
 */
final class LifeCycles implements Scenario {

    private static final int INVOICES = 1_000;
    private static final int EDITS_EACH = 12;
    private static final int EDITORS = 3;
    private static final Duration PAUSE = Duration.ofMillis(100);

    @Override
    public void run(TwoSides sides, Duration duration, long seed, Report report) throws Exception {
        var random = new Random(seed);
        sides.startApplication();
        sides.awaitReady();
        sides.awaitFirstContact();
        try (var editors = new BillingEditors(sides, seed, EDITORS, PAUSE)) {
            editors.populate();
            sides.awaitEqual();
            report.step("%,d invoices live".formatted(INVOICES));
            editors.edit(INVOICES * EDITS_EACH, INVOICES);
            int kills = 0;
            try (var weather = new Weather(sides, random.nextLong())) {
                while (editors.areEditing()) {
                    var life = Duration.ofMillis(random.nextInt(20_000));
                    assertFalse(sides.application().endsWithin(life), () -> "it ended: " + sides.application().errors());
                    sides.kill();
                    kills++;
                    sides.startApplicationUntilReady();
                }
                report.step("calm: waiting until all is quiet, then comparing both sides");
                weather.calm();
                editors.stopEditing();
                sides.awaitEqual();
                sides.assertQuiet();
                report.tell("kill -9", kills);
                weather.tell(report::tell);
            }
            editors.tell(report::tell);
            report.tell("invoices in the end", sides.count("invoices"));
            report.tell("… of these paid, void, uncollectible", sides.column("select string_agg(n::text, ', ') from (select count(i.id) as n"
                    + " from unnest(array['paid', 'void', 'uncollectible']) with ordinality s (status, place) left join invoices i using (status)"
                    + " group by place order by place) counted").get(0));
            report.tell("lines", sides.count("invoice_items"));
            report.tell("conflicts on record", sides.count("sync.conflict"));
        }
    }
}
