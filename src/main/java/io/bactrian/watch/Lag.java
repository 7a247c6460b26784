package io.bactrian.watch;

/**
 * How far a group of consumers is behind in one partition.
 *
 * @param group its name, {@code bactrian.<system>.<entity>} for those of the templates {@code integration} and {@code announce}, and
 *     {@code bactrian.<name>.<entity>} for those of {@code subscriber}
 * @param next the offset of the next message that it has not done
 * @param messages how many it has not done
 */
public record Lag(String group, String topic, int partition, long next, long messages) {

    /** What waits in that partition. */
    Work work() {
        return Work.of(group, "messages", topic + " " + partition + "/" + next);
    }
}
