package io.bactrian.sandbox.stripe;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.BufferedOutputStream;
import java.io.BufferedReader;
import java.io.Closeable;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.function.Consumer;
import java.util.stream.Stream;

/**
 * The simulator's memory on disk: one JSON line per commit, appended and never changed, replayed and rewritten compactly at start.
 *
 * <p>A line is handed to the operating system before the caller sees the answer, so a killed process loses nothing that it acknowledged;
 * a torn last line is a commit that nobody heard of and is dropped. There is no fsync: a power cut may cost the last second.
 */
final class Journal implements Closeable {

    private final Path file;
    private final FileChannel lockFile;
    private final FileLock lock;
    private OutputStream out;

    private Journal(Path file, FileChannel lockFile, FileLock lock) {
        this.file = file;
        this.lockFile = lockFile;
        this.lock = lock;
    }

    /**
     * Opens the journal of a directory, which is made when it is missing.
     *
     * @throws IOException when the directory cannot be written, or another process has it open
     */
    static Journal open(Path directory) throws IOException {
        Files.createDirectories(directory);
        var lockFile = FileChannel.open(directory.resolve("lock"), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
        FileLock lock;
        try {
            lock = lockFile.tryLock();
        } catch (OverlappingFileLockException e) {
            lock = null;
        }
        if (lock == null) {
            lockFile.close();
            throw new IOException("The Stripe simulator's state in " + directory + " is in use by another simulator: stop that one, or choose another directory");
        }
        return new Journal(directory.resolve("journal.jsonl"), lockFile, lock);
    }

    /**
     * Hands every commit to {@code line}, in order.
     *
     * @throws IOException when the file cannot be read, or a line other than the last is broken
     */
    void replay(Consumer<JsonNode> line) throws IOException {
        if (!Files.exists(file)) {
            return;
        }
        try (var reader = new BufferedReader(new InputStreamReader(Files.newInputStream(file), StandardCharsets.UTF_8))) {
            replay(reader, line);
        }
    }

    private void replay(BufferedReader reader, Consumer<JsonNode> line) throws IOException {
        var number = 1;
        for (var text = reader.readLine(); text != null; number++) {
            var next = reader.readLine();
            JsonNode commit;
            try {
                commit = Json.MAPPER.readTree(text);
            } catch (JsonProcessingException e) {
                if (next == null) {
                    return;
                }
                throw new IOException(file + " is damaged at line " + number + ": remove the file to start with an empty Stripe account", e);
            }
            line.accept(commit);
            text = next;
        }
    }

    /** Replaces the file by {@code lines} and goes on after them. Atomic: a kill leaves either the old file or the new one. */
    void compact(Stream<byte[]> lines) throws IOException {
        var fresh = file.resolveSibling("journal.jsonl.new");
        try (var compact = new BufferedOutputStream(Files.newOutputStream(fresh))) {
            for (var line : (Iterable<byte[]>) lines::iterator) {
                compact.write(line);
                compact.write('\n');
            }
        }
        Files.move(fresh, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        // Not a FileChannel: an interrupt of a writing thread would close it for all.
        out = new FileOutputStream(file.toFile(), true);
    }

    /** Appends one commit. {@code line} has no line break. */
    void append(byte[] line) {
        var whole = Arrays.copyOf(line, line.length + 1);
        whole[line.length] = '\n';
        try {
            out.write(whole);
        } catch (IOException e) {
            throw new UncheckedIOException("Cannot write " + file, e);
        }
    }

    @Override
    public void close() throws IOException {
        if (out != null) {
            out.close();
        }
        lock.release();
        lockFile.close();
    }
}
