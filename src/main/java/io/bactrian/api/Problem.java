package io.bactrian.api;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.netty.handler.codec.http.HttpResponseStatus;
import java.util.List;
import org.apache.camel.Exchange;
import org.apache.camel.Message;

/**
 * What the API answers when a request fails: a problem detail,
 * <a href="https://www.rfc-editor.org/rfc/rfc9457">RFC 9457</a>.
 *
 * @param status the HTTP status
 * @param detail what is wrong and what to do, in a sentence for a person; null when the status says it all
 * @param errors what is wrong with single fields and parameters; empty when it is not about them
 */
@JsonInclude(JsonInclude.Include.NON_EMPTY)
public record Problem(String type, String title, int status, String detail, List<Fault> errors) {

    /** The media type of a problem detail. */
    public static final String MEDIA_TYPE = "application/problem+json";

    private static final ObjectMapper JSON = new ObjectMapper();

    /**
     * What is wrong with one field of the body or one parameter; the other of the two is null.
     *
     * @param pointer the field's place in the body, a JSON pointer (RFC 6901): {@code /address/city}, and empty for the whole body
     * @param parameter the name of the path or query parameter
     */
    @JsonInclude(JsonInclude.Include.NON_NULL)
    public record Fault(String pointer, String parameter, String message) {
    }

    public Problem(int status, String detail) {
        this(status, detail, List.of());
    }

    public Problem(int status, String detail, List<Fault> errors) {
        this("about:blank", HttpResponseStatus.valueOf(status).reasonPhrase(), status, detail, errors);
    }

    /** Makes the problem the answer. */
    void answer(Message message) {
        message.setHeader(Exchange.HTTP_RESPONSE_CODE, status);
        message.setHeader(Exchange.CONTENT_TYPE, MEDIA_TYPE);
        message.setBody(toJson());
    }

    String toJson() {
        try {
            return JSON.writeValueAsString(this);
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("a problem detail is always valid JSON", e);
        }
    }
}
