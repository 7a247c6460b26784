package io.bactrian.sandbox.stripe;

/**
 * One parameter of a resource.
 *
 * @param name its name within the hash it is in; also the field it sets
 * @param required missing on create is an error
 * @param unsetOnCreate whether {@code ""} is allowed on create
 * @param unsetOnUpdate whether {@code ""} is allowed on update, where it sets the field to null
 * @param onCreate whether create takes it
 * @param onUpdate whether update takes it
 * @param field whether it sets the field of its name; otherwise it only steers
 */
record Param(String name, Type type, boolean required, boolean unsetOnCreate, boolean unsetOnUpdate, boolean onCreate, boolean onUpdate,
        boolean field) {

    /** Every call but delete takes it: the fields to show as objects instead of ids. */
    static final Param EXPAND = param("expand", new Type.Items(Type.text(5000))).steering();

    static Param param(String name, Type type) {
        return new Param(name, type, false, false, false, true, true, true);
    }

    Param mandatory() {
        return new Param(name, type, true, unsetOnCreate, unsetOnUpdate, onCreate, onUpdate, field);
    }

    /** {@code ""} unsets it, on create as on update. */
    Param unsettable() {
        return new Param(name, type, required, true, true, onCreate, onUpdate, field);
    }

    /** {@code ""} unsets it on update; on create it is an error. */
    Param clearable() {
        return new Param(name, type, required, false, true, onCreate, onUpdate, field);
    }

    Param createOnly() {
        return new Param(name, type, required, unsetOnCreate, unsetOnUpdate, true, false, field);
    }

    Param updateOnly() {
        return new Param(name, type, required, unsetOnCreate, unsetOnUpdate, false, true, field);
    }

    Param steering() {
        return new Param(name, type, required, unsetOnCreate, unsetOnUpdate, onCreate, onUpdate, false);
    }
}
