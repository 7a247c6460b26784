package io.bactrian.watch;

/**
 * A topic of which nobody knows how much waits there.
 *
 * @param reason in words; null when there is no such topic
 */
public record Unread(String group, String topic, String reason) {

    boolean isMissing() {
        return reason == null;
    }

    /** What a person should know of a topic that is not there: nothing waits in it, and it is made with the first change. */
    String note() {
        return "the topic " + topic + ", which " + group + " reads, is not there: it is made with the first change of its table, if that is tracked";
    }

    /** What is to be done about any other. */
    Work work() {
        return Work.of(group, "unread", topic + ": " + reason);
    }
}
