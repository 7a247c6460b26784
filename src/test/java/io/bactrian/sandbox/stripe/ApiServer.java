package io.bactrian.sandbox.stripe;

import io.vertx.core.Vertx;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.HttpServerRequest;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.LinkedHashMap;
import java.util.Map;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * {@code /v1/…} over HTTP: API key, faults, idempotency keys, headers.
 *
 * <p>429, 401 and 403 come before everything and leave no trace. An idempotency key is looked up before the parameters are checked; what the call
 * is then answered with, be it an error, is kept under the key in the same commit as the call's effect.
 */
final class ApiServer {

    private static final Logger LOG = LoggerFactory.getLogger(ApiServer.class);

    private final Vertx vertx;
    private final Account account;
    private final StripeApi api;
    private final Faults faults;
    private final CallLog log;
    private final Access access;

    ApiServer(Vertx vertx, Account account, Faults faults, CallLog log, Access access) {
        this.vertx = vertx;
        this.account = account;
        this.api = new StripeApi(account);
        this.faults = faults;
        this.log = log;
        this.access = access;
    }

    /** Answers a request whose body has been read. */
    void handle(HttpServerRequest request, Buffer body) {
        new Call(request).start(body);
    }

    /** One request on its way. */
    private final class Call {
        private final HttpServerRequest request;
        private final String method;
        private final String path;
        private final String requestId = Ids.shortId("req_");
        private final String sentKey;
        private final String key;
        private Map<String, Object> params = Map.of();

        Call(HttpServerRequest request) {
            this.request = request;
            this.method = request.method().name();
            this.path = request.path();
            this.sentKey = emptyToNull(request.getHeader("Idempotency-Key"));
            this.key = method.equals("POST") ? sentKey : null;
        }

        void start(Buffer body) {
            carefully(() -> receive(body));
        }

        /** Answers even when the simulator itself has a defect, instead of leaving the caller to its time-out. */
        private void carefully(Runnable step) {
            try {
                step.run();
            } catch (RuntimeException e) {
                LOG.error("The Stripe simulator failed at {} {} ({})", method, path, requestId, e);
                answer(Answer.error(new ApiError(500, "api_error", null, "The simulator failed: " + e, null), requestId), false);
            }
        }

        private void receive(Buffer body) {
            Answer replay;
            try {
                params = decode(body);
                refuseByLimit();
                access.check(request.getHeader("Authorization"), method, path, account.id());
                if (faults.strikes(Fault.RESET_BEFORE_COMMIT, method, path)) {
                    drop(0);
                    return;
                }
                replay = openKey();
            } catch (ApiError e) {
                answer(Answer.error(e, requestId), false);
                return;
            }
            var latency = faults.latency(method, path);
            if (replay != null) {
                answer(replay, true);
            } else if (latency > 0) {
                vertx.setTimer(latency, timer -> carefully(this::finish));
            } else {
                finish();
            }
        }

        private void finish() {
            var answer = commit();
            if (faults.strikes(Fault.RESET_AFTER_COMMIT, method, path)) {
                drop(answer.status());
            } else if (faults.strikes(Fault.HANG_AFTER_COMMIT, method, path)) {
                log(answer.status(), false, false);
            } else {
                answer(answer, false);
            }
        }

        private Answer commit() {
            synchronized (account) {
                var tx = account.begin(requestId, key);
                Answer answer;
                try {
                    if (faults.strikes(Fault.SERVER_ERROR, method, path)) {
                        throw new ApiError(500, "api_error", null, "An unknown error occurred (simulated).", null);
                    }
                    answer = Answer.ok(api.call(tx, method, path, params), requestId);
                } catch (ApiError e) {
                    tx = account.begin(requestId, key);
                    answer = Answer.error(e, requestId);
                } finally {
                    account.keys.close(key);
                }
                account.commit(tx, key == null ? null : new IdempotencyKeys.Kept(key, method + " " + path, params, answer, tx.now));
                return answer;
            }
        }

        private Answer openKey() {
            synchronized (account) {
                return key == null ? null : account.keys.open(key, method + " " + path, params, account.now());
            }
        }

        private Map<String, Object> decode(Buffer body) {
            var all = new LinkedHashMap<String, Object>();
            if (request.query() != null) {
                all.putAll(Form.decode(request.query()));
            }
            if (body.length() > 0) {
                var type = request.getHeader("Content-Type");
                if (type != null && !type.startsWith("application/x-www-form-urlencoded")) {
                    throw ApiError.invalid(null, "Invalid request: the body must be application/x-www-form-urlencoded, not " + type, null);
                }
                all.putAll(Form.decode(body.toString(StandardCharsets.UTF_8)));
            }
            return all;
        }

        private void refuseByLimit() {
            if (faults.strikes(Fault.LOCK_TIMEOUT, method, path)) {
                throw new ApiError(429, "invalid_request_error", "lock_timeout", "This object is in use by another request: try again.", null)
                        .header("Stripe-Should-Retry", "true");
            }
            if (faults.overLimit(method, path, System.currentTimeMillis()) || faults.strikes(Fault.TOO_MANY_REQUESTS, method, path)) {
                throw new ApiError(429, "invalid_request_error", "rate_limit", "Too many requests in this second: back off.", null)
                        .header("Retry-After", "1").header("Stripe-Rate-Limited-Reason", "global-rate");
            }
        }

        /** What of it arrives. */
        private byte[] body(Answer answer) {
            if (answer.status() == 200 && faults.strikes(Fault.ANSWER_WITHOUT_BODY, method, path)) {
                return new byte[0];
            }
            return answer.status() == 200 && faults.strikes(Fault.ANSWER_WITHOUT_ID, method, path) ? "{}".getBytes(StandardCharsets.UTF_8) : answer.body();
        }

        private void answer(Answer answer, boolean replayed) {
            if (request.response().closed()) {
                log(answer.status(), replayed, false);
                return;
            }
            log(answer.status(), replayed, true);
            var headers = request.response().setStatusCode(answer.status()).headers()
                    .add("Content-Type", "application/json")
                    .add("Date", DateTimeFormatter.RFC_1123_DATE_TIME.format(Instant.ofEpochSecond(account.now()).atOffset(ZoneOffset.UTC)))
                    .add("Request-Id", requestId)
                    .add("Stripe-Version", request.headers().contains("Stripe-Version") ? request.getHeader("Stripe-Version") : Events.API_VERSION);
            answer.headers().forEach(headers::add);
            if (sentKey != null) {
                headers.add("Idempotency-Key", sentKey);
            }
            if (key != null && answer.status() >= 500) {
                headers.add("Stripe-Should-Retry", "false");
            }
            if (replayed) {
                headers.add("Idempotent-Replayed", "true").add("Original-Request", answer.requestId());
            }
            request.response().end(Buffer.buffer(body(answer)));
        }

        private static String emptyToNull(String text) {
            return text == null || text.isEmpty() ? null : text;
        }

        private void drop(int status) {
            log(status, false, false);
            request.connection().close();
        }

        private void log(int status, boolean replayed, boolean answered) {
            log.add(new ApiCall(method, path, params, sentKey, status, replayed, answered, requestId, Instant.now()));
        }
    }
}
