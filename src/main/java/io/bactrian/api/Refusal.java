package io.bactrian.api;

import io.bactrian.api.Problem.Fault;
import java.util.List;

/** A request that is not carried out: the caller is told the problem. */
final class Refusal extends Exception {

    private final transient Problem problem;

    Refusal(int status, String detail) {
        this(status, detail, List.of());
    }

    Refusal(int status, String detail, List<Fault> errors) {
        super(detail, null, false, false);
        problem = new Problem(status, detail, errors);
    }

    Problem problem() {
        return problem;
    }
}
