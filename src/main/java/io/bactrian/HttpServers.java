package io.bactrian;

import io.vertx.core.http.impl.HttpServerImpl;
import io.vertx.ext.web.RoutingContext;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import org.apache.camel.CamelContext;
import org.apache.camel.component.platform.http.vertx.VertxPlatformHttpRouter;
import org.apache.camel.component.platform.http.vertx.VertxPlatformHttpServer;
import org.apache.camel.component.platform.http.vertx.VertxPlatformHttpServerConfiguration;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The two HTTP servers: the public one, which routes attach to, and the one for health and metrics. Camel opens them; this makes it fail when
 * it cannot, makes any port work, and keeps slow clients out.
 *
 * @param publicUrl where the public server listens
 * @param managementUrl where the other one listens
 * @param slowClients ends connections of both
 */
record HttpServers(String publicUrl, String managementUrl, int publicPort, SlowClients slowClients) {

    private static final Logger LOG = LoggerFactory.getLogger(HttpServers.class);
    private static final int BAD_REQUEST = 400;
    private static final int TOO_LARGE = 413;

    /**
     * Finds the ports that the settings ask for, and tells Camel. To be called before Camel is configured.
     *
     * @throws StartUpException when a port is taken, or a host is not one of this machine's
     */
    static HttpServers prepare(CamelContext camel, Settings settings) {
        int publicPort = free("http", settings.httpHost(), settings.httpPort());
        int managementPort = free("management", settings.managementHost(), settings.managementPort());
        var properties = camel.getPropertiesComponent();
        properties.addOverrideProperty("camel.server.port", Integer.toString(publicPort));
        properties.addOverrideProperty("camel.management.port", Integer.toString(managementPort));

        // Of the two servers, routes attach to the one on this port; without it, to the one on 8080, be there one or not.
        var configuration = new VertxPlatformHttpServerConfiguration();
        configuration.setBindPort(publicPort);
        camel.getRegistry().bind("public-http", configuration);
        var slowClients = new SlowClients(settings.httpPatience().toMillis());
        camel.getRegistry().bind("vertx", slowClients.vertx(), null, "close");
        return new HttpServers(
                url(settings.httpHost(), publicPort), url(settings.managementHost(), managementPort), publicPort, slowClients);
    }

    /**
     * Lets public requests pass only when Bactrian is ready. To be called once Camel has opened the servers.
     *
     * @throws StartUpException when Camel could not open one of them; it does not say so itself
     */
    void guard(CamelContext camel, Readiness readiness) {
        for (var server : camel.hasServices(VertxPlatformHttpServer.class)) {
            if (((HttpServerImpl) server.getServer()).isClosed()) {
                throw taken(server.getPort() == publicPort ? "http" : "management", server.getHost(), server.getPort());
            }
            var router = router(camel, server.getPort());
            router.route().order(Integer.MIN_VALUE).handler(slowClients::note);
            router.route().order(Integer.MAX_VALUE).failureHandler(HttpServers::refuse);
        }
        readiness.guard(router(camel, publicPort));
    }

    /** Answers what cannot be read or is too large. Left to itself Vert.x logs each as an error, and anybody could fill the log. */
    private static void refuse(RoutingContext request) {
        if (request.statusCode() == BAD_REQUEST || request.statusCode() == TOO_LARGE) {
            LOG.debug("refused with {}", request.statusCode(), request.failure());
            request.response().setStatusCode(request.statusCode()).end();
        } else {
            request.next();
        }
    }

    private static VertxPlatformHttpRouter router(CamelContext camel, int port) {
        return VertxPlatformHttpRouter.lookup(camel, VertxPlatformHttpRouter.getRouterNameFromPort(port));
    }

    private static int free(String server, String host, int port) {
        try (var socket = new ServerSocket()) {
            socket.setReuseAddress(true);
            socket.bind(new InetSocketAddress(host, port));
            return socket.getLocalPort();
        } catch (java.net.BindException e) {
            throw e.getMessage().contains("in use") ? taken(server, host, port) : notOurs(server, host, e);
        } catch (IOException | RuntimeException e) {
            throw notOurs(server, host, e);
        }
    }

    private static StartUpException taken(String server, String host, int port) {
        return new StartUpException(server + ".port: port " + port + " of " + host
                + " is taken by another process; end that one, or set another port");
    }

    private static StartUpException notOurs(String server, String host, Exception e) {
        return new StartUpException(server + ".host: cannot listen on '" + host + "'; it must be an address of this machine, such as 127.0.0.1, "
                + "or 0.0.0.0 for all of them (" + e.getMessage() + ")", e);
    }

    private static String url(String host, int port) {
        return "http://" + host + ":" + port;
    }
}
