package io.bactrian.bench;

import io.bactrian.sandbox.SandboxPostgres;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.sql.SQLException;
import java.util.Locale;
import org.apache.kafka.common.utils.AppInfoParser;

/** What the figures were measured on. */
final class Machine {

    private static final long GIGABYTE = 1 << 30;

    private Machine() {
    }

    /** One line: processors, memory, versions, and how busy the machine is now. */
    static String describe() throws IOException, SQLException {
        var system = ManagementFactory.getPlatformMXBean(com.sun.management.OperatingSystemMXBean.class);
        return String.format(Locale.ROOT, "%s %s, %d cores, %d GB, load average %.1f at the start; JDK %s, Postgres %s, Kafka %s",
                system.getName(), system.getArch(), system.getAvailableProcessors(), system.getTotalMemorySize() / GIGABYTE, load(),
                Runtime.version(), postgresVersion(), AppInfoParser.getVersion());
    }

    /** The load average of the last minute. */
    static double load() {
        return ManagementFactory.getOperatingSystemMXBean().getSystemLoadAverage();
    }

    private static String postgresVersion() throws IOException, SQLException {
        try (var postgres = SandboxPostgres.startTemporary();
                var connection = postgres.superuser("postgres").getConnection()) {
            return connection.getMetaData().getDatabaseProductVersion();
        }
    }
}
