package io.bactrian;

import static java.util.stream.Collectors.counting;
import static java.util.stream.Collectors.groupingBy;
import static java.util.stream.Collectors.toCollection;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** Which package may know which: arrows go down, so that each can be read without those above it. */
class PackagesTest {

    private static final String OURS = "io.bactrian";
    private static final JavaClasses MAIN = new ClassFileImporter().importPath("target/classes");
    private static final JavaClasses TESTS = new ClassFileImporter().importPath("target/test-classes");

    /** From the top down: a package knows only those below it. Start, which is the package io.bactrian itself, may know all. */
    private static final List<String> LAYERS = List.of("", "watch", "billing", "stripe", "catchup", "sync", "store", "engine", "state", "capture", "api");

    /** The arrows that there are. What is new here is a decision: nothing in sync knows a system, nothing in a system knows another one. */
    private static final Set<String> ARROWS = Set.of("-> capture", "-> stripe", "-> sync", "-> watch", "billing -> stripe", "catchup -> sync", "stripe -> sync", "sync -> engine", "sync -> state", "sync -> store", "store -> engine", "store -> state", "engine -> state", "watch -> capture", "watch -> sync");

    /** Packages of more than twelve files, and how many they have: to become smaller, never larger. */
    private static final Map<String, Long> TOO_LARGE = Map.of("", 20L, "stripe", 15L, "sync", 17L);

    @Test
    void know_only_those_below_them() {
        assertEquals(new TreeSet<>(ARROWS), arrows(MAIN.stream()));
        for (var arrow : ARROWS) {
            var ends = arrow.split(" ?-> ");
            assertTrue(LAYERS.indexOf(ends[0]) < LAYERS.indexOf(ends[1]), () -> arrow + " does not go down");
        }
    }

    @Test
    void of_the_sandbox_know_how_the_application_starts_and_migrates_and_nothing_else() {
        var known = TESTS.stream().filter(one -> one.getPackageName().startsWith(OURS + ".sandbox") && !topOf(one).endsWith("Test"))
                .flatMap(one -> one.getDirectDependenciesFromSelf().stream()).map(dependency -> dependency.getTargetClass().getBaseComponentType())
                .filter(PackagesTest::isOurs).filter(one -> !one.getPackageName().startsWith(OURS + ".sandbox"))
                .map(JavaClass::getFullName).collect(toCollection(TreeSet::new));
        assertEquals(Set.of(Main.class.getName(), Migrations.class.getName()), known);
    }

    /** So that a table of values tests them, and nothing hides in a route or a statement. */
    @Test
    void decide_without_camel_or_a_database() {
        var known = MAIN.stream().filter(one -> Set.of("engine", "state").contains(packageOf(one)))
                .flatMap(one -> one.getDirectDependenciesFromSelf().stream()).map(dependency -> dependency.getTargetClass().getBaseComponentType())
                .filter(one -> !isOurs(one) && !one.isPrimitive()).map(JavaClass::getPackageName).filter(name -> !name.matches("java\\.(lang|math|nio|security|time|util).*"))
                .collect(toCollection(TreeSet::new));
        assertTrue(known.stream().allMatch(name -> name.startsWith("com.fasterxml.jackson.")), known::toString);
    }

    @Test
    void are_small() {
        var files = MAIN.stream().collect(groupingBy(PackagesTest::packageOf, groupingBy(PackagesTest::topOf, counting())));
        files.forEach((name, classes) -> assertTrue(classes.size() <= TOO_LARGE.getOrDefault(name, 12L),
                () -> "package " + name + " has " + classes.size() + " files: " + new TreeSet<>(classes.keySet())));
    }

    private static TreeSet<String> arrows(Stream<JavaClass> classes) {
        return classes.flatMap(one -> one.getDirectDependenciesFromSelf().stream()
                        .map(dependency -> dependency.getTargetClass().getBaseComponentType()).filter(PackagesTest::isOurs)
                        .filter(other -> !packageOf(other).equals(packageOf(one)))
                        .map(other -> (packageOf(one) + " -> " + packageOf(other)).strip()))
                .collect(toCollection(TreeSet::new));
    }

    private static boolean isOurs(JavaClass one) {
        return one.getPackageName().equals(OURS) || one.getPackageName().startsWith(OURS + ".");
    }

    /** The package without what all share. */
    private static String packageOf(JavaClass one) {
        return one.getPackageName().equals(OURS) ? "" : one.getPackageName().substring(OURS.length() + 1);
    }

    /** The class that has a file of its own. */
    private static String topOf(JavaClass one) {
        return one.getFullName().replaceFirst("\\$.*", "");
    }
}
