package io.bactrian.state;

import java.util.List;
import java.util.Map;

/**
 * What is known of a tracked table.
 *
 * @param tellsChange whether records say when they were changed, in updated_at: without that the hub is taken for the newest
 * @param related whether records refer to others, or have parts; {@code parts} whether they have: rows of other tables
 * @param references by entity, this one and its parts: the columns that hold the id of another record
 */
public record Table(String name, boolean tellsChange, boolean related, boolean parts, Map<String, List<String>> references) {

    /** The columns of a part that hold the id of another record. */
    public List<String> referencesOf(String part) {
        return references.getOrDefault(States.entityOf(part), List.of());
    }
}
