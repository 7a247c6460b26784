package io.bactrian.sync;

import io.github.resilience4j.circuitbreaker.CircuitBreaker;
import io.github.resilience4j.circuitbreaker.CircuitBreakerConfig;
import io.github.resilience4j.circuitbreaker.CircuitBreakerRegistry;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;

/**
 * Notices when a system does not answer: of its last calls by this instance, too many failed. What follows from that is decided for all
 * instances together, by {@code sync.open_circuit}; here a circuit that has opened counts anew from the first answer on. What was under way when it opened, and
 * fails too, says nothing new.
 */
public final class Circuits {

    private final Set<String> down = ConcurrentHashMap.newKeySet();
    private final CircuitBreakerConfig.Builder config = CircuitBreakerConfig.custom();
    private volatile CircuitBreakerRegistry breakers;

    /** How many of the calls must have failed, in percent. */
    public void setFailureRate(float percent) {
        config.failureRateThreshold(percent);
    }

    /** How many calls are looked back at. */
    public void setCalls(int calls) {
        config.slidingWindowSize(calls);
    }

    /** Of how many calls at least something must be known. */
    public void setMinimumCalls(int calls) {
        config.minimumNumberOfCalls(calls);
    }

    /** A call to that system was answered. */
    public void answered(String system) {
        if (down.remove(system)) {
            breaker(system).reset();
        }
        breaker(system).onSuccess(0, TimeUnit.MILLISECONDS);
    }

    /**
     * A call to that system was not answered, or not as it should be.
     *
     * @return whether that was one too many, or there has been no answer since one was
     */
    public boolean failed(String system, Throwable failure) {
        if (down.contains(system)) {
            return true;
        }
        var breaker = breaker(system);
        breaker.onError(0, TimeUnit.MILLISECONDS, failure);
        if (breaker.getState() == CircuitBreaker.State.CLOSED) {
            return false;
        }
        down.add(system);
        return true;
    }

    private CircuitBreaker breaker(String system) {
        if (breakers == null) {
            synchronized (this) {
                if (breakers == null) {
                    breakers = CircuitBreakerRegistry.of(config.build());
                }
            }
        }
        return breakers.circuitBreaker(system);
    }
}
