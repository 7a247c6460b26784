package io.bactrian;

import com.impossibl.postgres.api.jdbc.PGConnection;
import com.impossibl.postgres.api.jdbc.PGNotificationListener;
import com.impossibl.postgres.jdbc.PGDataSource;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.Optional;
import java.util.Properties;
import org.postgresql.Driver;
import org.postgresql.PGProperty;

/**
 * The connection that hears notifications. camel-pgevent needs the driver pgjdbc-ng, whose addresses begin with {@code jdbc:pgsql:}; this
 * takes the same address as the pool, {@code jdbc:postgresql://host:port/database}, so that there is one setting for both.
 *
 * <p>It gives out one connection at a time, and ends the one before. camel-pgevent is not told when the connection is lost: it would
 * <a href="https://github.com/apache/camel/blob/camel-4.17.0/components/camel-pgevent/src/main/java/org/apache/camel/component/pgevent/PgEventConsumer.java">reconnect</a>
 * by a task that never ends and blocks a thread of the driver for good. The route capture-heartbeat finds out and starts the listener anew.
 */
public final class ListenDataSource extends PGDataSource {

    private static final int SECONDS_TO_CONNECT = 5;
    private static final int MILLIS_TO_ANSWER = 5000;

    private Connection last;

    public ListenDataSource() {
        setApplicationName("bactrian listener");
        setLoginTimeout(SECONDS_TO_CONNECT);
        setNetworkTimeout(MILLIS_TO_ANSWER);
    }

    /**
     * Takes the address with what it says about encryption, which this driver names otherwise.
     *
     * @param url as in the setting {@code postgres.url}; of its parameters, sslmode, ssl, sslrootcert, sslcert, sslkey and sslpassword count
     */
    public void setUrl(String url) {
        setDatabaseUrl(url.replaceFirst("^jdbc:postgresql:", "jdbc:pgsql:").replaceFirst("\\?.*", ""));
        var parameters = Driver.parseURL(url, null);
        if (parameters == null) {
            return; // start-up says so
        }
        setSslMode(sslMode(parameters));
        given(PGProperty.SSL_ROOT_CERT, parameters).ifPresent(this::setSslCaCertificateFile);
        given(PGProperty.SSL_CERT, parameters).ifPresent(this::setSslCertificateFile);
        given(PGProperty.SSL_KEY, parameters).ifPresent(this::setSslKeyFile);
        given(PGProperty.SSL_PASSWORD, parameters).ifPresent(this::setSslKeyPassword);
    }

    /** As the other driver reads it: https://jdbc.postgresql.org/documentation/ssl/ */
    private static String sslMode(Properties parameters) {
        var ssl = given(PGProperty.SSL, parameters).filter(value -> value.isEmpty() || Boolean.parseBoolean(value));
        return given(PGProperty.SSL_MODE, parameters).orElse(ssl.isPresent() ? "verify-full" : "prefer");
    }

    private static Optional<String> given(PGProperty property, Properties parameters) {
        return Optional.ofNullable(parameters.getProperty(property.getName()));
    }

    /** Connects, and cuts the connection that was given out before. */
    @Override
    public synchronized Connection getConnection() throws SQLException {
        if (last != null) {
            last.abort(Runnable::run);
        }
        last = super.getConnection();
        return withoutLossReported(last);
    }

    private static Connection withoutLossReported(Connection connection) {
        return (Connection) Proxy.newProxyInstance(ListenDataSource.class.getClassLoader(), new Class<?>[] {PGConnection.class}, (proxy, method, arguments) -> {
            if (method.getName().equals("addNotificationListener")) {
                int listener = arguments.length - 1;
                arguments[listener] = new Hearing((PGNotificationListener) arguments[listener]);
            }
            try {
                return method.invoke(connection, arguments);
            } catch (InvocationTargetException e) {
                throw e.getCause();
            }
        });
    }

    /** Passes notifications on, and nothing else. */
    private record Hearing(PGNotificationListener listener) implements PGNotificationListener {

        @Override
        public void notification(int processId, String channel, String payload) {
            listener.notification(processId, channel, payload);
        }
    }
}
