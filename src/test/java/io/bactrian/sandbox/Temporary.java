package io.bactrian.sandbox;

import java.io.IOException;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;

/** Directories that live as long as a test: below {@code target/}, so that {@code mvn clean} takes what a killed run left. */
public final class Temporary {

    private Temporary() {
    }

    /** A new, empty directory whose name begins with that prefix. */
    public static Path directory(String prefix) throws IOException {
        var parent = Files.createDirectories(Path.of("target/temporary").toAbsolutePath());
        return Files.createTempDirectory(parent, prefix + "-");
    }

    /** Deletes a directory with everything in it. */
    public static void delete(Path directory) throws IOException {
        Files.walkFileTree(directory, new SimpleFileVisitor<>() {
            @Override
            public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) throws IOException {
                Files.deleteIfExists(file);
                return FileVisitResult.CONTINUE;
            }

            @Override
            public FileVisitResult postVisitDirectory(Path visited, IOException problem) throws IOException {
                Files.deleteIfExists(visited);
                return FileVisitResult.CONTINUE;
            }
        });
    }
}
