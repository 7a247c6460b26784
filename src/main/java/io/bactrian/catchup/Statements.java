package io.bactrian.catchup;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import javax.sql.DataSource;
import org.springframework.jdbc.core.namedparam.MapSqlParameterSource;
import org.springframework.jdbc.core.namedparam.NamedParameterJdbcTemplate;

/** The statements of {@code sql/}, by their files. */
final class Statements {

    private final Map<String, String> texts = new ConcurrentHashMap<>();
    private final NamedParameterJdbcTemplate postgres;

    Statements(DataSource dataSource) {
        postgres = new NamedParameterJdbcTemplate(dataSource);
    }

    static MapSqlParameterSource with(String name, Object value) {
        return new MapSqlParameterSource(name, value);
    }

    List<Map<String, Object>> rows(String file, MapSqlParameterSource parameters) {
        return postgres.queryForList(texts.computeIfAbsent(file, Statements::read), parameters);
    }

    Optional<Map<String, Object>> row(String file, MapSqlParameterSource parameters) {
        return rows(file, parameters).stream().findFirst();
    }

    private static String read(String file) {
        try {
            return Files.readString(Path.of(file));
        } catch (IOException e) {
            throw new UncheckedIOException(file + " cannot be read", e);
        }
    }
}
