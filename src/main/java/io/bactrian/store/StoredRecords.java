package io.bactrian.store;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.bactrian.state.States;
import java.util.List;
import org.springframework.jdbc.core.JdbcTemplate;

/** What is to be stored of records by one statement: the arrays that {@code sync.store_record} takes. */
final class StoredRecords {

    private static final List<String> KINDS = List.of("links", "released", "conflicts", "fit", "notes", "pokes", "answered");

    private final JdbcTemplate postgres;
    private final ObjectNode all = States.empty();

    StoredRecords(JdbcTemplate postgres) {
        this.postgres = postgres;
        clear();
    }

    void add(String kind, ObjectNode item) {
        all.withArray(kind).add(item);
    }

    /** Stores it now: what comes next asks Postgres. */
    void flush() {
        if (KINDS.stream().anyMatch(kind -> !all.get(kind).isEmpty())) {
            postgres.query("select sync.store_record(?::jsonb)", row -> { }, all.toString());
            clear();
        }
    }

    /** It is not to be stored after all. */
    void clear() {
        KINDS.forEach(all::putArray);
    }
}
