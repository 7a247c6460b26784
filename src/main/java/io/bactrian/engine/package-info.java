/**
 * What becomes of a record: pure decisions, the same for all systems. Nothing here knows Camel, JDBC or SQL: what is known comes as values or by {@link io.bactrian.engine.Hub},
 * and what is to be done goes there. The rules: docs/how-it-works.md.
 */
package io.bactrian.engine;
