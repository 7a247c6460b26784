package io.bactrian.api;

import io.vertx.core.http.HttpHeaders;
import io.vertx.ext.web.Route;
import io.vertx.ext.web.RoutingContext;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import org.apache.camel.AsyncCallback;
import org.apache.camel.CamelContext;
import org.apache.camel.Consumer;
import org.apache.camel.Exchange;
import org.apache.camel.Processor;
import org.apache.camel.component.platform.http.PlatformHttpComponent;
import org.apache.camel.component.platform.http.vertx.VertxPlatformHttpRouter;
import org.apache.camel.spi.RestConfiguration;
import org.apache.camel.spi.RestOpenApiConsumerFactory;
import org.apache.camel.support.processor.DelegateAsyncProcessor;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Serves an OpenAPI contract with {@code platform-http}, and sees to it that a caller gets every error as a {@link Problem}: those of the
 * routes (a status, and a sentence as the body), those of Camel (no such path or method), those of the web server (body too large), and a
 * failure that nobody foresaw, which is logged and of which the caller learns no more than the status.
 *
 * <p>No header of a request reaches a route: {@link OpenApiContract} hands on what the contract names. HEAD is answered like GET.
 */
public final class ProblemAnswers implements RestOpenApiConsumerFactory {

    private static final Logger LOG = LoggerFactory.getLogger(ProblemAnswers.class);

    @Override
    public Consumer createConsumer(
            CamelContext camel, Processor processor, String contextPath, RestConfiguration configuration, Map<String, Object> parameters)
            throws Exception {
        return camel.getComponent("platform-http", PlatformHttpComponent.class)
                .createConsumer(camel, new Answering(processor, camel, contextPath), contextPath, configuration, parameters);
    }

    private static final class Answering extends DelegateAsyncProcessor {

        private final CamelContext camel;
        private final String contextPath;
        private List<Route> serverErrors = List.of();

        private Answering(Processor processor, CamelContext camel, String contextPath) {
            super(processor);
            this.camel = camel;
            this.contextPath = contextPath;
        }

        @Override
        protected void doStart() throws Exception {
            super.doStart();
            serverErrors = camel.getRegistry().findByType(VertxPlatformHttpRouter.class).stream()
                    .map(router -> router.route(contextPath + "*").last().failureHandler(Answering::answer))
                    .toList();
        }

        @Override
        protected void doStop() throws Exception {
            serverErrors.forEach(Route::remove);
            super.doStop();
        }

        @Override
        public boolean process(Exchange exchange, AsyncCallback callback) {
            var message = exchange.getMessage();
            var request = message.getBody();
            message.removeHeaders("*", "Camel*");
            if ("HEAD".equals(message.getHeader(Exchange.HTTP_METHOD))) {
                message.setHeader(Exchange.HTTP_METHOD, "GET");
            }
            return super.process(exchange, doneSync -> {
                answer(exchange, request);
                callback.done(doneSync);
            });
        }

        private static void answer(Exchange exchange, Object request) {
            var message = exchange.getMessage();
            if (exchange.getException() != null) {
                LOG.error("Failed to answer a request: {} {}",
                        message.getHeader(Exchange.HTTP_METHOD), message.getHeader(Exchange.HTTP_PATH), exchange.getException());
                exchange.setException(null);
                message.setHeader(Exchange.HTTP_RESPONSE_CODE, 500);
                message.setHeader(Exchange.CONTENT_TYPE, null);
                message.setBody(null);
            }
            int status = message.getHeader(Exchange.HTTP_RESPONSE_CODE, 200, Integer.class);
            if (status >= 400 && !Problem.MEDIA_TYPE.equals(message.getHeader(Exchange.CONTENT_TYPE))) {
                var detail = message.getBody() == request ? null : message.getBody(String.class);
                new Problem(status, detail).answer(message);
            }
            if (message.getBody() instanceof String text) {
                message.setBody(text.getBytes(StandardCharsets.UTF_8));
            }
        }

        private static void answer(RoutingContext failed) {
            var status = failed.statusCode() > 0 ? failed.statusCode() : 500;
            failed.response().setStatusCode(status).putHeader(HttpHeaders.CONTENT_TYPE, Problem.MEDIA_TYPE);
            failed.end(new Problem(status, null).toJson());
        }
    }
}
