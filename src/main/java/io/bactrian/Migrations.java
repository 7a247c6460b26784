package io.bactrian;

import javax.sql.DataSource;
import org.flywaydb.core.Flyway;

/** Brings the database's tables and functions up to date with {@code sql/migration}. */
public final class Migrations {

    private Migrations() {
    }

    /**
     * Applies what is missing and returns when it is there. Several instances may do so at once: one migrates, the others wait for it.
     *
     * @throws org.flywaydb.core.api.FlywayException when a migration fails, or when one that was applied has been edited since
     */
    public static void run(DataSource dataSource) {
        Flyway.configure()
                .dataSource(dataSource)
                .locations("filesystem:sql/migration")
                .defaultSchema("sync")
                .table("migration")
                .lockRetryCount(-1)
                .ignoreMigrationPatterns("repeatable:missing") // what they made is made, or dropped, by another one now
                .load()
                .migrate();
    }
}
