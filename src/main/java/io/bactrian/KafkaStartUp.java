package io.bactrian;

import io.bactrian.capture.Topics;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.config.ConfigException;
import org.apache.kafka.common.errors.ApiException;
import org.apache.kafka.common.errors.AuthenticationException;
import org.apache.kafka.common.errors.AuthorizationException;
import org.apache.kafka.common.errors.InvalidReplicationFactorException;
import org.apache.kafka.common.errors.RetriableException;
import org.apache.kafka.common.errors.TimeoutException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Finds out whether Kafka is there, and tells what passes by itself from what a person must put right. */
final class KafkaStartUp {

    private static final Logger LOG = LoggerFactory.getLogger(KafkaStartUp.class);

    private final Settings settings;
    private final Topics topics;

    KafkaStartUp(Settings settings, Topics topics) {
        this.settings = settings;
        this.topics = topics;
    }

    /** The brokers as a person finds them in the settings. */
    String name() {
        return "Kafka at " + settings.kafkaBrokers() + " (kafka.brokers)";
    }

    /**
     * Connects, and creates the topics of those entities. When some cannot be made, that is told, and their changes wait; when none can, the settings are wrong.
     *
     * @return nothing when that worked, else why it does not yet
     * @throws StartUpException when it will not work without a change
     */
    Optional<String> connect(List<String> entities) {
        try {
            topics.ping();
            var refusals = new ArrayList<KafkaException>();
            for (var entity : entities) {
                try {
                    topics.make(entity);
                } catch (RetriableException e) {
                    throw e;
                } catch (KafkaException e) {
                    refusals.add(e);
                }
            }
            if (!refusals.isEmpty() && refusals.size() == entities.size()) {
                return judge(refusals.get(0));
            }
            refusals.forEach(refusal -> LOG.warn("a topic cannot be made, and the changes of its table wait: {}", refusal.getMessage()));
            return Optional.empty();
        } catch (KafkaException e) {
            return judge(e);
        }
    }

    private Optional<String> judge(KafkaException e) {
        if (e instanceof AuthenticationException) {
            throw new StartUpException(name() + " refuses the log-in: check camel.component.kafka.* in application.properties ("
                    + e.getMessage() + ")", e);
        }
        if (e instanceof AuthorizationException) {
            throw new StartUpException(name() + " does not allow what is needed, to describe the cluster and to create the topics: "
                    + e.getMessage(), e);
        }
        if (e instanceof ApiException && !(e instanceof RetriableException) && !(e instanceof InvalidReplicationFactorException)) {
            throw new StartUpException(name() + " does not accept the topics: check kafka.partitions, kafka.replication-factor and "
                    + "kafka.max-message-bytes (" + e.getMessage() + ")", e);
        }
        var wrong = e instanceof ConfigException ? e : e.getCause();
        if (wrong instanceof ConfigException && !wrong.getMessage().contains("No resolvable bootstrap urls")) {
            throw new StartUpException("kafka.brokers or another setting of Kafka is wrong: " + wrong.getMessage(), e);
        }
        if (wrong instanceof ConfigException) {
            return Optional.of("unknown host");
        }
        if (e instanceof InvalidReplicationFactorException) {
            return Optional.of("fewer brokers are up than kafka.replication-factor asks for");
        }
        return Optional.of(e instanceof TimeoutException ? "no answer" : e.getMessage());
    }
}
