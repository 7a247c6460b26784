package io.bactrian.catchup;

import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarStyle;

/** Draws how far each reconcile is, when somebody sits at the terminal. */
final class RunProgress {

    private final Map<Long, ProgressBar> bars = new ConcurrentHashMap<>();
    private final boolean terminal = System.console() != null;

    /**
     * Moves the bar of a run, or takes it away when the run has stopped.
     *
     * @param run a row of sql/run-report.sql
     */
    void show(Map<String, Object> run) {
        if (!terminal) {
            return;
        }
        var id = (Long) run.get("id");
        if (run.get("state").equals("running")) {
            var bar = bars.computeIfAbsent(id, key -> new ProgressBarBuilder().setTaskName("reconcile " + key).setStyle(ProgressBarStyle.ASCII).build());
            bar.setExtraMessage(" " + run.get("step"));
            bar.maxHint(run.get("of") == null ? -1 : (Long) run.get("of"));
            bar.stepTo((Long) run.get("done"));
        } else if (bars.containsKey(id)) {
            bars.remove(id).close();
        }
    }
}
