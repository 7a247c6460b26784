package io.bactrian.bench;

import java.util.List;

/** Measures one thing on servers of its own. */
interface Benchmark {

    /**
     * Measures.
     *
     * @return the rows of the table
     * @throws Exception when it could not measure, or measured something else than it was to: rows are missing, a request failed, …
     */
    List<Result> run() throws Exception;
}
