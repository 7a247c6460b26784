package io.bactrian.sandbox.stripe;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Supplier;
import java.util.function.UnaryOperator;

/**
 * What the simulator knows of one kind of object: everything that its calls share is done from this description.
 *
 * @param path the collection, {@code customers} of {@code /v1/customers}
 * @param object the value of its {@code object} field, which is mostly the first half of its event types, too
 * @param ids makes an id
 * @param template a new object, with every field Stripe shows
 * @param params what create and update take
 * @param filters what list takes, beside the paging parameters
 * @param verbs what can be done with it
 * @param events the second halves of the event types that it sends by itself: {@code created}, {@code updated}, {@code deleted}
 * @param tombstone whether a deleted one can still be read, as {@code {id, object, deleted: true}}
 * @param lifecycle what is particular to it
 * @param view how an object is shown, where that is less than what is kept; otherwise null
 * @param actions further calls on one object, {@code POST /v1/invoices/in_1/pay}, by name; one named {@code DELETE} is what that method does, where the
 *        object stays
 */
record Resource(String path, String object, Supplier<String> ids, ObjectNode template, Params params, List<Filter> filters, Set<Verb> verbs,
        Set<String> events, boolean tombstone, Lifecycle lifecycle, UnaryOperator<ObjectNode> view,
        Map<String, Action> actions) {

    Resource {
        params = params.and(Param.EXPAND);
    }

    /** There is one of each: comparing or hashing what it is made of would only cost time. */
    @Override
    public boolean equals(Object other) {
        return this == other;
    }

    @Override
    public int hashCode() {
        return path.hashCode();
    }

    /** The first half of its event types. */
    String eventPrefix() {
        return object.equals("subscription") ? "customer.subscription" : object;
    }

    /** An object as calls and events show it. */
    ObjectNode shown(ObjectNode object) {
        return view == null ? object : view.apply(object);
    }

    enum Verb { CREATE, UPDATE, DELETE }

    /** What is particular to a resource: checks, and fields that follow from others. The object has its new values already. */
    interface Lifecycle {
        default void create(Transaction tx, ObjectNode object, ObjectNode values) {
        }

        default void update(Transaction tx, ObjectNode object, ObjectNode values) {
        }

        default void delete(Transaction tx, ObjectNode object) {
        }
    }

    /** A call on one object that is neither of the usual ones. */
    record Action(Params params, Effect effect) {
        Action {
            params = params.and(Param.EXPAND);
        }

        /** Changes the object and saves it, with its events. */
        interface Effect {
            void run(Transaction tx, ObjectNode object, ObjectNode values);
        }
    }

    /**
     * A parameter of list that selects by a field.
     *
     * @param field the field of the object
     * @param test whether its value, null where it has none, is what was asked for
     */
    record Filter(Param param, String field, Test test) {
        interface Test {
            boolean matches(Account account, String value, JsonNode wanted);
        }

        /** The field equals the parameter, or is in it when it is a list. */
        static Filter equal(String name, Type type, String field) {
            return new Filter(Param.param(name, type), field, (account, value, wanted) -> {
                if (!wanted.isArray()) {
                    return wanted.asText().equals(value);
                }
                for (var one : wanted) {
                    if (one.asText().equals(value)) {
                        return true;
                    }
                }
                return false;
            });
        }

        static Filter equal(String name, Type type) {
            return equal(name, type, name);
        }
    }
}
