package io.bactrian;

import com.impossibl.postgres.jdbc.PGDataSource;

/**
 * The connection that hears notifications. camel-pgevent needs the driver pgjdbc-ng, whose addresses begin with {@code jdbc:pgsql:}; this
 * takes the same address as the pool, {@code jdbc:postgresql://host:port/database}, so that there is one setting for both.
 */
public final class ListenDataSource extends PGDataSource {

    /** @param url as in the setting {@code postgres.url} */
    public void setUrl(String url) {
        setDatabaseUrl(url.replaceFirst("^jdbc:postgresql:", "jdbc:pgsql:"));
    }
}
