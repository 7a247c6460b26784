package io.bactrian.api;

import io.swagger.v3.oas.models.Operation;
import io.swagger.v3.oas.models.media.Schema;
import io.vertx.core.http.HttpHeaders;
import io.vertx.core.http.HttpServerRequest;
import java.util.List;
import org.springframework.util.InvalidMimeTypeException;
import org.springframework.util.MimeType;
import org.springframework.util.MimeTypeUtils;

/** Which media types an operation of a contract takes and gives. */
final class MediaTypes {

    private MediaTypes() {
    }

    /** The media types of the operation's successful answers, the preferred one first. */
    static List<String> ofAnswer(Operation operation) {
        return operation.getResponses().entrySet().stream()
                .filter(response -> response.getKey().startsWith("2") && response.getValue().getContent() != null)
                .flatMap(response -> response.getValue().getContent().keySet().stream())
                .toList();
    }

    /**
     * Sees to it that the caller takes one of those media types.
     *
     * @throws Refusal 406 when he does not
     */
    static void checkAccepted(List<String> given, HttpServerRequest request) throws Refusal {
        var accept = String.join(",", request.headers().getAll(HttpHeaders.ACCEPT));
        if (given.isEmpty() || accept.isBlank()) {
            return;
        }
        try {
            for (var accepted : MimeTypeUtils.parseMimeTypes(accept)) {
                if (given.stream().anyMatch(type -> accepted.includes(MimeType.valueOf(type)))) {
                    return;
                }
            }
        } catch (InvalidMimeTypeException e) {
            throw new Refusal(406, "The header Accept is not a list of media types.");
        }
        throw new Refusal(406, "The answer is " + String.join(" or ", given) + ".");
    }

    /**
     * The schema of the operation's body in the media type in which the request has it. A request must name it: a browser sends a body
     * without one, or as text, to other sites unasked.
     *
     * @throws Refusal 415 when the operation does not take that media type
     */
    static Schema<?> bodySchema(Operation operation, HttpServerRequest request) throws Refusal {
        var contentType = request.getHeader(HttpHeaders.CONTENT_TYPE);
        var content = operation.getRequestBody().getContent();
        try {
            var sent = contentType == null ? null : MimeType.valueOf(contentType);
            for (var taken : content.entrySet()) {
                if (MimeType.valueOf(taken.getKey()).equalsTypeAndSubtype(sent)) {
                    return taken.getValue().getSchema();
                }
            }
        } catch (InvalidMimeTypeException e) {
            throw new Refusal(415, "The header Content-Type is not a media type.");
        }
        throw new Refusal(415, "Send the body as " + String.join(" or ", content.keySet()) + ".");
    }
}
