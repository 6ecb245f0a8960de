package test.reelsense.lab;

import java.io.BufferedWriter;
import java.io.Closeable;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;

/**
 * The log of socket reads and writes that {@code reelsense features --view socket} reads. A connection is named by its
 * local port, so that a capture's flows can be told apart by it. Thread safety: all methods from any thread.
 */
final class SocketLog implements Closeable {
  private final BufferedWriter out;

  SocketLog(Path file) throws IOException {
    out = Files.newBufferedWriter(file);
    out.write("time_ns,connection,direction,bytes\n");
  }

  synchronized void add(int localPort, String direction, int bytes) throws IOException {
    if (bytes <= 0) {
      return;
    }
    Instant now = Instant.now();
    long timeNs = now.getEpochSecond() * 1_000_000_000L + now.getNano();
    out.write(timeNs + "," + localPort + "," + direction + "," + bytes + "\n");
  }

  @Override
  public synchronized void close() throws IOException {
    out.close();
  }
}
