package io.bactrian.stripe;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketException;
import java.nio.charset.StandardCharsets;

/** A server on loopback that answers each request without a body with a text as it stands, then hangs up: for answers that no proper server gives. */
final class RawServer implements AutoCloseable {

    private final ServerSocket server = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());

    RawServer(String answer) throws IOException {
        var thread = new Thread(() -> serve(answer.replace("\n", "\r\n").getBytes(StandardCharsets.UTF_8)), "raw-server");
        thread.setDaemon(true);
        thread.start();
    }

    private void serve(byte[] answer) {
        try {
            while (true) {
                try (var socket = server.accept()) {
                    readHeaders(socket);
                    socket.getOutputStream().write(answer);
                }
            }
        } catch (SocketException e) {
            // The server is closed.
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static void readHeaders(Socket socket) throws IOException {
        var in = socket.getInputStream();
        for (int last = 0; last != 0x0d0a0d0a;) {
            last = last << 8 | in.read();
        }
    }

    String address() {
        return "http://127.0.0.1:" + server.getLocalPort();
    }

    @Override
    public void close() throws IOException {
        server.close();
    }
}
