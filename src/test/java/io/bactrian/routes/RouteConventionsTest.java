package io.bactrian.routes;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.networknt.schema.JsonSchemaFactory;
import com.networknt.schema.SchemaLocation;
import com.networknt.schema.SpecVersion;
import io.bactrian.routes.RouteFile.Step;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Properties;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Function;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** What docs and readers rely on in routes/, sql/ and application.properties: names, ids, placeholders, and canonical YAML. */
class RouteConventionsTest {

    private static final Pattern KEBAB_CASE = Pattern.compile("[a-z0-9]+(-[a-z0-9]+)*");
    private static final Pattern DESCRIPTION = Pattern.compile("[A-Z][a-z]+ [^\\n]*[^.\\n]");
    private static final Pattern PLACEHOLDER = Pattern.compile("\\{\\{\\??([A-Za-z0-9._-]+)(?::[^}]*)?}}|\\$\\{properties:([A-Za-z0-9._-]+)}");
    private static final Pattern SQL_FILE = Pattern.compile("sql/[a-z-]+\\.sql");
    private static final Pattern SQL_PARAMETER = Pattern.compile(":#");

    /** Components that stay inside the process. */
    private static final Set<String> INSIDE = Set.of("direct", "seda");

    /** What start-up itself adds to the settings. */
    private static final Set<String> MADE_AT_START = Set.of("instance.id");

    private static final List<RouteFile> FILES = RouteFile.all(Path.of("routes"));
    private static final Properties SETTINGS = settings();

    @Test
    void every_file_is_valid_in_camels_yaml_dsl() {
        var schema = JsonSchemaFactory.getInstance(SpecVersion.VersionFlag.V4).getSchema(SchemaLocation.of("classpath:schema/camelYamlDsl.json"));
        assertNone(file -> schema.validate(file.yaml()).stream().map(Object::toString));
    }

    @Test
    void every_file_is_named_for_the_first_thing_in_it() {
        assertNone(file -> {
            var first = file.yaml().get(0).elements().next();
            var id = first.path(first.has("routeId") ? "routeId" : "id").asText();
            return id.equals(file.stem()) ? Stream.empty() : Stream.of("the first id is '" + id + "'");
        });
    }

    @Test
    void every_route_has_an_id_in_kebab_case() {
        assertNone(file -> file.routes().map(RouteFile.Route::id).filter(id -> !KEBAB_CASE.matcher(id).matches()).map(id -> "id '" + id + "'"));
    }

    @Test
    void every_route_says_in_one_line_what_it_does() {
        assertNone(file -> file.routes()
                .filter(route -> !DESCRIPTION.matcher(route.description()).matches())
                .map(route -> route.id() + " is described as '" + route.description() + "'"));
    }

    @Test
    void ids_of_routes_and_steps_are_unique() {
        var seen = new TreeSet<String>();
        assertNone(file -> Stream.concat(file.routes().map(RouteFile.Route::id), file.steps().map(Step::id).filter(id -> !id.isEmpty()))
                .filter(id -> !seen.add(id)));
    }

    @Test
    void every_step_that_leaves_the_process_has_an_id() {
        assertNone(file -> file.steps()
                .filter(step -> !INSIDE.contains(step.component()))
                .filter(step -> !KEBAB_CASE.matcher(step.id().replaceAll("\\{\\{[a-z]+}}", "x")).matches())
                .map(step -> step.uri() + " has the id '" + step.id() + "'"));
    }

    @Test
    void uris_hold_no_options() {
        assertNone(file -> file.steps().map(Step::uri).filter(uri -> uri.contains("?") && !uri.startsWith("pgevent:")));
    }

    @Test
    void expressions_are_written_in_the_canonical_way() {
        var languages = Set.of("constant", "simple", "jq", "variable", "header", "exchangeProperty");
        assertNone(file -> file.objects()
                .filter(object -> languages.stream().anyMatch(language -> object.path(language).isTextual()))
                .map(object -> "short form: " + object));
    }

    @Test
    void files_are_indented_by_two_spaces_and_commented_at_the_top_only() {
        assertNone(file -> {
            var lines = file.text().lines().dropWhile(line -> line.startsWith("#") || line.isBlank()).toList();
            return lines.stream().filter(line -> line.contains("\t") || line.strip().startsWith("#") || indentation(line) % 2 == 1);
        });
    }

    @Test
    void no_route_names_a_host_a_topic_or_a_credential() {
        var literal = Pattern.compile("(https?|jdbc:\\w+)://|localhost|\\b\\d+\\.\\d+\\.\\d+\\.\\d+\\b|sk_(test|live)|whsec_|password", Pattern.CASE_INSENSITIVE);
        assertNone(file -> file.text().lines().map(line -> line.replaceFirst("password: RAW\\(\\{\\{[a-z.-]+}}\\)", ""))
                .filter(line -> !line.startsWith("#") && literal.matcher(line).find()));
        assertNone(file -> file.steps().map(Step::uri).filter(uri -> uri.startsWith("kafka:") && !uri.matches("kafka:changes(\\.\\{\\{\\w+}})?")));
    }

    @Test
    void every_placeholder_is_a_setting_or_a_parameter_of_the_template() {
        assertNone(file -> placeholders(file.text())
                .filter(name -> !file.templateParameters().contains(name))
                .filter(name -> !isSet(name)));
        assertEquals(List.of(), files("sql", ".sql").flatMap(file -> placeholders(read(file))).filter(name -> !isSet(name)).toList());
        assertEquals(List.of(), placeholders(read(Path.of("application.properties"))).filter(name -> !isSet(name)).toList());
    }

    @Test
    void every_setting_is_used() {
        var readers = Stream.of(files("routes", ".yaml"), files("sql", ".sql"), files("src/main/java", ".java"))
                .flatMap(all -> all).map(RouteConventionsTest::read).collect(Collectors.joining());
        var placeholders = placeholders(readers + read(Path.of("application.properties"))).collect(Collectors.toSet());
        assertEquals(List.of(), SETTINGS.stringPropertyNames().stream()
                .filter(name -> !name.startsWith("camel."))
                .filter(name -> !placeholders.contains(name) && !readers.contains('"' + name + '"'))
                .toList());
    }

    @Test
    void inline_sql_is_a_call_of_one_function() {
        assertNone(file -> file.steps().map(Step::uri)
                .filter(uri -> uri.startsWith("sql:") && !uri.startsWith("sql:file:") && !uri.matches("sql:select [\\w.]+\\([^();]*\\)")));
    }

    @Test
    void every_sql_file_opens_with_a_comment_and_is_used() {
        var routesAndCode = Stream.concat(files("routes", ".camel.yaml"), files("src/main/java", ".java"))
                .map(RouteConventionsTest::read).collect(Collectors.joining());
        assertEquals(List.of(), files("sql", ".sql")
                .filter(file -> !read(file).startsWith("-- ")
                        || !file.startsWith("sql/migration") && !routesAndCode.contains(file.toString()))
                .toList());
    }

    @Test
    void every_sql_file_that_is_named_exists() {
        assertNone(file -> SQL_FILE.matcher(file.text()).results().map(MatchResult::group).filter(sql -> !Files.exists(Path.of(sql))));
    }

    @Test
    void every_sql_step_counts_the_parameters_of_its_file() {
        assertNone(file -> file.steps()
                .filter(step -> step.uri().startsWith("sql:file:") && !step.uri().contains("{{"))
                .filter(step -> {
                    var sql = Path.of(step.uri().substring("sql:file:".length()));
                    return !Files.exists(sql)
                            || step.parameters().has("parametersCount")
                            && step.parameters().get("parametersCount").asLong() != SQL_PARAMETER.matcher(read(sql)).results().count();
                })
                .map(step -> step.id() + ": " + step.uri()));
    }

    private static void assertNone(Function<RouteFile, Stream<String>> defects) {
        assertEquals(List.of(), FILES.stream().flatMap(file -> defects.apply(file).map(defect -> file.path() + ": " + defect)).toList());
    }

    private static boolean isSet(String name) {
        return SETTINGS.containsKey(name) || MADE_AT_START.contains(name);
    }

    private static Stream<String> placeholders(String text) {
        return PLACEHOLDER.matcher(text).results().map(match -> match.group(1) == null ? match.group(2) : match.group(1)).distinct();
    }

    private static int indentation(String line) {
        return line.length() - line.stripLeading().length();
    }

    private static Stream<Path> files(String directory, String ending) {
        try (var files = Files.walk(Path.of(directory))) {
            return files.filter(file -> file.toString().endsWith(ending)).sorted().toList().stream();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static String read(Path file) {
        try {
            return Files.readString(file);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static Properties settings() {
        var settings = new Properties();
        try (var in = Files.newBufferedReader(Path.of("application.properties"))) {
            settings.load(in);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return settings;
    }
}
