package io.bactrian.sandbox;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.concurrent.ThreadLocalRandom;

/** Looks for ports on loopback. */
public final class Ports {

    /** Its nth byte is locked by the process that was given port n, until that process ends. */
    private static final FileChannel GIVEN = open();

    private Ports() {
    }

    /**
     * A port on loopback that nobody listens on, and that no other process of ours on this machine is given while this one lives: between here
     * and the start of its server can lie seconds. It lies below the range from which the system gives ports to clients: else a client that
     * calls a stopped server again and again would take the server's port from it, by connecting to itself.
     */
    public static int free() {
        while (true) {
            int port = ThreadLocalRandom.current().nextInt(20_000, 32_000);
            if (isFree(port) && take(port)) {
                return port;
            }
        }
    }

    /** Whether a server may listen on that port of 127.0.0.1 now. */
    public static boolean isFree(int port) {
        try (var socket = new ServerSocket()) {
            socket.setReuseAddress(true);
            socket.bind(new InetSocketAddress(InetAddress.getByAddress(new byte[] {127, 0, 0, 1}), port));
            return true;
        } catch (java.net.BindException e) {
            return false;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static boolean take(int port) {
        try {
            return GIVEN.tryLock(port, 1, false) != null;
        } catch (OverlappingFileLockException e) {
            return false;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static FileChannel open() {
        try {
            var file = Path.of(System.getProperty("java.io.tmpdir"), "bactrian-ports-" + System.getProperty("user.name"));
            return FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
