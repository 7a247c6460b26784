package io.bactrian.sync;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import javax.sql.DataSource;

/** A connection for tests: statements are prepared once, parameters are positional, and types are Postgres's to infer. */
public final class Sql implements AutoCloseable {

    private final Connection connection;
    private final Map<String, PreparedStatement> statements = new HashMap<>();

    public Sql(Connection connection) {
        this.connection = connection;
    }

    public static Sql open(DataSource dataSource) throws SQLException {
        return new Sql(dataSource.getConnection());
    }

    public Connection connection() {
        return connection;
    }

    /** All rows of a query. */
    public List<Map<String, Object>> rows(String sql, Object... parameters) throws SQLException {
        try (var result = prepare(sql, parameters).executeQuery()) {
            var names = result.getMetaData();
            var rows = new ArrayList<Map<String, Object>>();
            while (result.next()) {
                var row = new LinkedHashMap<String, Object>();
                for (int i = 1; i <= names.getColumnCount(); i++) {
                    row.put(names.getColumnLabel(i), result.getObject(i));
                }
                rows.add(row);
            }
            return rows;
        }
    }

    /** The only row of a query. */
    public Map<String, Object> row(String sql, Object... parameters) throws SQLException {
        var rows = rows(sql, parameters);
        if (rows.size() != 1) {
            throw new AssertionError(rows.size() + " rows instead of one: " + sql);
        }
        return rows.get(0);
    }

    /** The first column of the only row, as text; null when it is. */
    public String text(String sql, Object... parameters) throws SQLException {
        var value = row(sql, parameters).values().iterator().next();
        return value == null ? null : value.toString();
    }

    /** The first column of the only row, as a number. */
    public long number(String sql, Object... parameters) throws SQLException {
        return ((Number) row(sql, parameters).values().iterator().next()).longValue();
    }

    /** The first column of all rows, as text. */
    public List<String> texts(String sql, Object... parameters) throws SQLException {
        return rows(sql, parameters).stream().map(row -> row.values().iterator().next()).map(value -> value == null ? null : value.toString()).toList();
    }

    /** The tables of the schema sync that say a word somewhere. */
    public List<String> traces(String word) throws SQLException {
        return texts("""
                select c.relname from pg_class c
                 where c.relnamespace = 'sync'::regnamespace and c.relkind = 'r'
                   and query_to_xml(format('select from %s t where t::text like %L', c.oid::regclass, '%' || ? || '%'), true, true, '')::text <> ''
                 order by 1""", word);
    }

    /** Runs a statement; returns how many rows it touched. */
    public int run(String sql, Object... parameters) throws SQLException {
        var statement = prepare(sql, parameters);
        return statement.execute() ? -1 : statement.getUpdateCount();
    }

    private PreparedStatement prepare(String sql, Object... parameters) throws SQLException {
        var statement = statements.get(sql);
        if (statement == null) {
            statement = connection.prepareStatement(sql);
            statements.put(sql, statement);
        }
        for (int i = 0; i < parameters.length; i++) {
            statement.setObject(i + 1, parameters[i]);
        }
        return statement;
    }

    @Override
    public void close() throws SQLException {
        connection.close();
    }
}
