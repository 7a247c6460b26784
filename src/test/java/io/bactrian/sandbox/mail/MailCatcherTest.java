package io.bactrian.sandbox.mail;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class MailCatcherTest {

    private static final String MAIL = """
            {"personalizations": [{"to": [{"email": "ada@example.com"}]}], "from": {"email": "shop@example.com", "name": "Shop"}, "subject": "Hello",
             "content": [{"type": "text/plain", "value": "Hello Ada"}, {"type": "text/html", "value": "<p>Hello Ada"}]}""";

    private final HttpClient client = HttpClient.newHttpClient();
    private MailCatcher catcher;

    @BeforeEach
    void start() throws IOException {
        catcher = MailCatcher.start(0, "SG.key");
    }

    @AfterEach
    void stop() {
        catcher.close();
    }

    @Test
    void a_message_is_accepted_and_listed() throws Exception {
        var answer = send("SG.key", MAIL);
        assertEquals(202, answer.statusCode());
        var mail = catcher.mails().get(0);
        assertEquals(mail.id(), answer.headers().firstValue("X-Message-Id").orElseThrow());
        assertEquals("Shop <shop@example.com> ada@example.com Hello, Hello Ada, <p>Hello Ada",
                mail.from() + " " + mail.to() + " " + mail.subject() + ", " + mail.text() + ", " + mail.html());
        assertTrue(get("/mails").contains("\"count\":1"));
        assertTrue(get("/").contains("Mail catcher"));
    }

    @Test
    void without_the_key_it_is_401_and_what_is_malformed_is_400_with_its_field() throws Exception {
        assertEquals(401, send("SG.other", MAIL).statusCode());
        assertEquals(400, send("SG.key", "{").statusCode());
        var answer = send("SG.key", MAIL.replace("ada@example.com", "ada"));
        assertEquals(400, answer.statusCode());
        assertEquals("{\"errors\":[{\"message\":\"Does not contain a valid address.\",\"field\":\"personalizations.0.to.0.email\",\"help\":null}]}", answer.body());
        assertEquals(0, catcher.mails().size());
    }

    @Test
    void it_refuses_when_it_is_told_to() throws Exception {
        catcher.refuseNext(429, 500);
        var first = send("SG.key", MAIL);
        assertEquals(429, first.statusCode());
        assertEquals("1", first.headers().firstValue("Retry-After").orElseThrow());
        assertEquals(500, send("SG.key", MAIL).statusCode());
        assertEquals(202, send("SG.key", MAIL).statusCode());
    }

    private HttpResponse<String> send(String key, String body) throws Exception {
        return client.send(HttpRequest.newBuilder(catcher.baseUrl().resolve("/v3/mail/send")).header("Authorization", "Bearer " + key)
                .POST(BodyPublishers.ofString(body)).build(), BodyHandlers.ofString());
    }

    private String get(String path) throws Exception {
        return client.send(HttpRequest.newBuilder(catcher.baseUrl().resolve(path)).build(), BodyHandlers.ofString()).body();
    }
}
