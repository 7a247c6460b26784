package io.bactrian.api;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.TextNode;
import io.bactrian.api.Problem.Fault;
import io.netty.handler.codec.http.QueryStringDecoder;
import io.swagger.v3.oas.models.OpenAPI;
import io.swagger.v3.oas.models.Operation;
import io.swagger.v3.oas.models.media.Schema;
import io.swagger.v3.oas.models.parameters.Parameter;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.camel.AsyncCallback;
import org.apache.camel.Exchange;
import org.apache.camel.Message;
import org.apache.camel.component.platform.http.vertx.HttpMessage;
import org.apache.camel.component.rest.openapi.DefaultRestOpenapiProcessorStrategy;
import org.apache.camel.support.processor.RestBindingAdvice;

/**
 * Holds each request against its operation in an OpenAPI 3.0 contract before the operation's route sees it, and refuses it with a
 * {@link Problem} that says what is wrong. The route gets the parameters, those in the path and in the query, as headers (with the
 * contract's type and default; null where the request has none) and the body as JSON text, and nothing else of the request.
 *
 * <p>Also refused: text that Postgres cannot store (NUL, half a surrogate pair), a name twice in an object, a query parameter that the
 * contract does not name or that is given twice.
 */
public final class OpenApiContract extends DefaultRestOpenapiProcessorStrategy {

    private static final ObjectMapper JSON = JsonMapper.builder()
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .build();

    private final SchemaCheck schemas = new SchemaCheck();

    @Override
    public boolean process(
            OpenAPI api, Operation operation, String verb, String path, RestBindingAdvice binding, Exchange exchange, AsyncCallback callback) {
        var mediaTypes = MediaTypes.ofAnswer(operation);
        try {
            check(operation, mediaTypes, exchange.getMessage(HttpMessage.class));
        } catch (Refusal e) {
            removeParameters(operation, exchange.getMessage());
            e.problem().answer(exchange.getMessage());
            callback.done(true);
            return true;
        }
        return super.process(api, operation, verb, path, binding, exchange, doneSync -> {
            removeParameters(operation, exchange.getMessage());
            exchange.getMessage().setHeader(Exchange.CONTENT_TYPE, mediaTypes.isEmpty() ? null : mediaTypes.get(0));
            callback.done(doneSync);
        });
    }

    private void check(Operation operation, List<String> mediaTypes, HttpMessage message) throws Refusal {
        MediaTypes.checkAccepted(mediaTypes, message.getRequest());
        var faults = new ArrayList<Fault>();
        var body = operation.getRequestBody() == null ? null : readBody(operation, message, faults);
        var values = readParameters(operation, message, faults);
        if (!faults.isEmpty()) {
            throw new Refusal(400, "The request does not fit the contract.", faults);
        }
        message.getHeaders().putAll(values);
        message.setBody(body);
    }

    private String readBody(Operation operation, HttpMessage message, List<Fault> faults) throws Refusal {
        var schema = MediaTypes.bodySchema(operation, message.getRequest());
        var bytes = message.getBody(byte[].class);
        if (bytes == null || bytes.length == 0) {
            throw new Refusal(400, "The request has no body.");
        }
        try {
            var json = JSON.readTree(bytes);
            faults.addAll(schemas.faults(json, schema));
            return json.toString();
        } catch (JsonProcessingException e) {
            var at = e.getLocation();
            var place = at == null ? "" : ", line " + at.getLineNr() + ", column " + at.getColumnNr();
            throw new Refusal(400, "The body is not valid JSON" + place + ": " + e.getOriginalMessage());
        } catch (IOException e) {
            throw new Refusal(400, "The body is not valid JSON in UTF-8.");
        }
    }

    private Map<String, Object> readParameters(Operation operation, HttpMessage message, List<Fault> faults) {
        var query = readQuery(message);
        var values = new HashMap<String, Object>();
        for (var parameter : parameters(operation)) {
            var name = parameter.getName();
            var given = "path".equals(parameter.getIn()) ? List.of(message.getHeader(name, String.class)) : query.remove(name);
            if (given == null && parameter.getSchema().getDefault() != null) {
                given = List.of(parameter.getSchema().getDefault().toString());
            }
            if (given == null) {
                values.put(name, null);
            } else if (given.size() > 1) {
                faults.add(new Fault(null, name, "is given more than once"));
            } else {
                var value = readValue(given.get(0), parameter.getSchema());
                schemas.faults(value, parameter.getSchema()).forEach(fault -> faults.add(new Fault(null, name, fault.message())));
                values.put(name, JSON.convertValue(value, Object.class));
            }
            if (given == null && Boolean.TRUE.equals(parameter.getRequired())) {
                faults.add(new Fault(null, name, "is missing"));
            }
        }
        query.keySet().forEach(name -> faults.add(new Fault(null, name, "is not a parameter here")));
        return values;
    }

    private static Map<String, List<String>> readQuery(Message message) {
        var query = message.getHeader(Exchange.HTTP_RAW_QUERY, "", String.class);
        return new HashMap<>(new QueryStringDecoder(query, false).parameters());
    }

    private static JsonNode readValue(String text, Schema<?> schema) {
        if (!"string".equals(schema.getType()) && !text.isBlank()) {
            try {
                return JSON.readTree(text);
            } catch (JsonProcessingException e) {
                return new TextNode(text);
            }
        }
        return new TextNode(text);
    }

    private static List<Parameter> parameters(Operation operation) {
        return operation.getParameters() == null ? List.of() : operation.getParameters();
    }

    private static void removeParameters(Operation operation, Message message) {
        parameters(operation).forEach(parameter -> message.removeHeader(parameter.getName()));
    }
}
