package io.bactrian.sync;

import java.util.List;
import java.util.Random;

/**
 * What kind of remote, people and luck a run of random edits has.
 *
 * @param distinctValues each edit has a value of its own, so that one that is lost is missed; else there are three, so that values come back
 * @param eventsTellPrevious events carry {@code previous_attributes}
 * @param eventsTellKey events carry the idempotency key of the request that caused them
 * @param faults workers die, calls fail, answers get lost, messages are repeated
 * @param zombies a worker whose lease ran out before its call may still make it
 * @param refusals the remote refuses some values
 */
record Circumstances(String policy, boolean distinctValues, boolean eventsTellPrevious, boolean eventsTellKey, boolean faults, boolean zombies,
        boolean deletes, boolean refusals, boolean hubIsEdited, boolean remoteIsEdited) {

    static Circumstances random(Random random) {
        boolean faults = random.nextInt(4) > 0;
        int sides = random.nextInt(6);
        return new Circumstances(List.of("newest", "hub", "remote").get(random.nextInt(3)), random.nextBoolean(), random.nextInt(4) > 0,
                random.nextInt(4) > 0, faults, faults && random.nextInt(4) == 0, random.nextInt(3) > 0, random.nextInt(4) == 0, sides != 0, sides != 1);
    }
}
