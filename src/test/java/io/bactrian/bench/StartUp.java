package io.bactrian.bench;

import java.util.List;

/** How long the application takes from the start of its process until it is ready, with Postgres and Kafka running and migrated. */
final class StartUp implements Benchmark {

    private static final double TARGET = 5;

    @Override
    public List<Result> run() throws Exception {
        try (var servers = Servers.start()) {
            Application.start(servers).close();
            var seconds = new double[Parameters.runs()];
            for (int run = 0; run < seconds.length; run++) {
                try (var application = Application.start(servers)) {
                    seconds[run] = application.startUp().toMillis() / 1000.0;
                }
            }
            double median = Result.median(seconds);
            return List.of(new Result("start of the application", "%.1f s".formatted(median), "", "≤ %.0f s".formatted(TARGET), median <= TARGET, 1, seconds.length));
        }
    }
}
