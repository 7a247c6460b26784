package io.bactrian.stripe;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.apache.camel.impl.DefaultCamelContext;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class StripeEventsTest {

    private static final ObjectMapper JSON = new ObjectMapper();

    @ParameterizedTest
    @CsvSource(nullValues = "-", value = {
        // key, account of the component, listed, livemode, account, version: standing
        "sk_test_1, '', false, false, -, 2026-07-29.dahlia, ours",
        "sk_test_1, '', false, false, -, -, ours",
        "sk_test_1, '', false, false, -, 2024-06-20, hint",
        "sk_test_1, '', true, false, -, 2024-06-20, hint",
        "sk_test_1, '', false, true, -, 2026-07-29.dahlia, ignored_mode",
        "rk_test_1, '', false, true, -, 2024-06-20, ignored_mode",
        "sk+live_1, '', false, true, -, 2026-07-29.dahlia, ours",
        "rk+live_1, '', false, false, -, 2026-07-29.dahlia, ignored_mode",
        "emulator, '', false, true, -, 2026-07-29.dahlia, ours",
        "sk_test_1, '', false, false, acct_1, 2026-07-29.dahlia, ignored_account",
        "sk_test_1, '', true, false, acct_1, 2026-07-29.dahlia, ignored_account",
        "sk_test_1, '', false, false, acct_known, 2026-07-29.dahlia, ours",
        "sk_test_1, acct_1, false, false, acct_known, 2026-07-29.dahlia, ignored_account",
        "sk_test_1, acct_1, false, false, acct_1, 2026-07-29.dahlia, ours",
        "sk_test_1, acct_1, false, false, acct_1, 2024-06-20, hint",
        "sk_test_1, acct_1, false, false, acct_2, 2026-07-29.dahlia, ignored_account",
        "sk_test_1, acct_1, false, false, -, 2026-07-29.dahlia, ignored_account",
        "sk_test_1, acct_1, true, false, -, 2026-07-29.dahlia, ours"})
    void an_event_is_ours_by_account_and_mode_and_tells_all_in_our_version_only(
            String key, String configured, boolean listed, boolean livemode, String account, String version, String standing) throws Exception {
        var event = JSON.createObjectNode().put("object", "event").put("id", "evt_1").put("type", "customer.updated").put("livemode", livemode);
        event.put("api_version", version);
        if (account != null) {
            event.put("account", account);
        }
        try (var camel = new DefaultCamelContext()) {
            var component = new StripeComponent();
            component.setApiKey(key.replace('+', '_')); // so that nothing here looks like a live key
            component.setStripeAccount(configured);
            camel.addComponent("stripe", component);
            camel.setVariable("global:stripe_account", "acct_known");
            var events = new StripeEvents();
            events.setCamelContext(camel);
            assertEquals(standing, events.judge(event, listed));
        }
    }

    @Test
    void the_docs_name_the_api_version() throws Exception {
        assertTrue(Files.readString(Path.of("docs/stripe-component.md")).contains("`" + StripeOptions.API_VERSION + "`"), StripeOptions.API_VERSION);
        assertEquals(0, Stream.of("docs", "README.md").flatMap(StripeEventsTest::files).flatMap(file -> Pattern.compile("20\\d\\d-\\d\\d-\\d\\d\\.[a-z]+")
                .matcher(read(file)).results().map(MatchResult::group)).filter(version -> !version.equals(StripeOptions.API_VERSION)).count());
    }

    private static Stream<Path> files(String place) {
        try {
            return Files.walk(Path.of(place)).filter(file -> file.toString().endsWith(".md"));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static String read(Path file) {
        try {
            return Files.readString(file);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
