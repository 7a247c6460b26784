package io.bactrian.sync;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class CircuitsTest {

    private final Circuits circuits = new Circuits();

    @BeforeEach
    void configure() {
        circuits.setFailureRate(50);
        circuits.setCalls(20);
        circuits.setMinimumCalls(10);
    }

    @Test
    void opens_when_too_many_of_the_last_calls_failed() {
        for (int i = 0; i < 9; i++) {
            assertFalse(failed());
        }
        assertTrue(failed());
    }

    @Test
    void stays_closed_while_most_calls_are_answered() {
        for (int i = 0; i < 100; i++) {
            circuits.answered("shop");
            circuits.answered("shop");
            assertFalse(failed());
        }
    }

    @Test
    void calls_that_were_under_way_when_it_opened_do_not_count_against_the_next_ones() {
        opens_when_too_many_of_the_last_calls_failed();
        for (int i = 0; i < 31; i++) {
            assertTrue(failed());
        }
        circuits.answered("shop");
        for (int i = 0; i < 8; i++) {
            assertFalse(failed());
        }
    }

    @Test
    void knows_each_system_by_itself() {
        opens_when_too_many_of_the_last_calls_failed();
        assertFalse(circuits.failed("other", new IOException()));
    }

    private boolean failed() {
        return circuits.failed("shop", new IOException());
    }
}
