package io.bactrian.sync;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;

/** What the routes do between a claim and its settle. */
final class Worker {

    private Worker() {
    }

    /** Makes the call that was claimed. An update sends what differs between record and base. */
    static ModelRemote.Answer call(ModelRemote remote, Hub.Claim claim) throws ModelRemote.Refused {
        return switch (claim.action()) {
            case "create" -> {
                var request = claim.record().deepCopy().retain(ModelRemote.FIELDS);
                yield remote.create(key(claim, request), claim.recordId(), request);
            }
            case "find" -> {
                var found = remote.find(claim.recordId());
                if (found != null || claim.record() == null) {
                    yield found != null ? found : new ModelRemote.Answer(null, null, remote.seconds(), true);
                }
                var request = claim.record().deepCopy().retain(ModelRemote.FIELDS);
                yield remote.create(key(claim, request), claim.recordId(), request);
            }
            case "update" -> {
                var request = JsonNodeFactory.instance.objectNode();
                ModelRemote.FIELDS.stream().filter(field -> !claim.record().get(field).equals(claim.base().get(field)))
                        .forEach(field -> request.set(field, claim.record().get(field)));
                yield remote.update(key(claim, request), claim.externalId(), request);
            }
            case "delete" -> remote.delete(key(claim, null), claim.externalId());
            case "fetch" -> remote.fetch(claim.externalId());
            default -> throw new AssertionError(claim.action());
        };
    }

    private static String key(Hub.Claim claim, ObjectNode request) {
        return claim.keyPrefix() + ":" + (request == null ? "-" : Integer.toHexString(request.toString().hashCode()));
    }
}
