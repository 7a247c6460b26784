package io.bactrian;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.zip.GZIPInputStream;
import javax.sql.DataSource;

/**
 * An installation of commit 75bca1a, killed in the middle of its work. Its database, {@code installations/75bca1a.sql.gz}, is a dump of what that version's
 * application made; its Stripe account, {@code 75bca1a.jsonl.gz}, the simulator's journal of the same moment, without what nobody will ask for.
 *
 * <p>It was paused in both directions. Rows are linked or buried; 13 events are held, two wait for a customer of whom no webhook came, three failed; records are parked,
 * captured but not in Kafka, refused, and wait for what was refused; creates, updates and deletes of records and of lines were done there without an
 * answer, some told as failures, some under a lease; one run lists objects, one waits, one has found a difference.
 */
public final class OldInstallation {

    private static final Instant DUMPED = Instant.parse("2026-11-28T19:17:16Z");
    private static final Pattern TIMES = Pattern.compile("(2026-1[12]-\\d\\d)[ T](\\d\\d:\\d\\d:\\d\\d(?:\\.\\d+)?)\\+00(?::00)?|\\b179589\\d{4}\\b");

    private final Duration late;

    /** As if it had been killed so long ago. */
    public OldInstallation(Duration stopped) {
        late = Duration.between(DUMPED, Instant.now().minus(stopped));
    }

    /** Makes its database of an empty one. */
    public void restore(DataSource database) throws SQLException {
        try (var connection = database.getConnection(); var statement = connection.createStatement()) {
            statement.execute(read("75bca1a.sql.gz"));
        }
    }

    /** Makes the state directory of its Stripe account. */
    public void restore(Path stripe) throws IOException {
        Files.writeString(stripe.resolve("journal.jsonl"), read("75bca1a.jsonl.gz"));
    }

    private String read(String name) {
        try (var file = new GZIPInputStream(OldInstallation.class.getResourceAsStream("/installations/" + name))) {
            return TIMES.matcher(new String(file.readAllBytes(), StandardCharsets.UTF_8)).replaceAll(this::later);
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    private String later(MatchResult time) {
        return time.group(1) == null ? Long.toString(Long.parseLong(time.group()) + late.toSeconds())
                : OffsetDateTime.parse(time.group(1) + "T" + time.group(2) + "Z").plus(late).withOffsetSameInstant(ZoneOffset.UTC)
                        .format(DateTimeFormatter.ofPattern("yyyy-MM-dd HH:mm:ss.SSSSSSxxx"));
    }
}
