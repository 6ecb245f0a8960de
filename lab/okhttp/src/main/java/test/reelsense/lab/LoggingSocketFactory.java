package test.reelsense.lab;

import java.io.FilterInputStream;
import java.io.FilterOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.Socket;
import javax.net.SocketFactory;

/**
 * Plain TCP sockets whose streams log what passes: below TLS, so bytes are those of TLS records. OkHttp asks only for
 * unconnected sockets.
 */
final class LoggingSocketFactory extends SocketFactory {
  private final SocketLog log;

  LoggingSocketFactory(SocketLog log) {
    this.log = log;
  }

  @Override
  public Socket createSocket() {
    return new LoggingSocket(log);
  }

  @Override
  public Socket createSocket(String host, int port) {
    throw new UnsupportedOperationException("only unconnected sockets");
  }

  @Override
  public Socket createSocket(String host, int port, InetAddress local, int localPort) {
    throw new UnsupportedOperationException("only unconnected sockets");
  }

  @Override
  public Socket createSocket(InetAddress host, int port) {
    throw new UnsupportedOperationException("only unconnected sockets");
  }

  @Override
  public Socket createSocket(InetAddress host, int port, InetAddress local, int localPort) {
    throw new UnsupportedOperationException("only unconnected sockets");
  }

  private static final class LoggingSocket extends Socket {
    private final SocketLog log;

    LoggingSocket(SocketLog log) {
      this.log = log;
    }

    @Override
    public InputStream getInputStream() throws IOException {
      return new FilterInputStream(super.getInputStream()) {
        @Override
        public int read() throws IOException {
          int value = in.read();
          log.add(getLocalPort(), "down", value < 0 ? 0 : 1);
          return value;
        }

        @Override
        public int read(byte[] buffer, int offset, int length) throws IOException {
          int count = in.read(buffer, offset, length);
          log.add(getLocalPort(), "down", count);
          return count;
        }
      };
    }

    @Override
    public OutputStream getOutputStream() throws IOException {
      return new FilterOutputStream(super.getOutputStream()) {
        @Override
        public void write(int value) throws IOException {
          log.add(getLocalPort(), "up", 1);
          out.write(value);
        }

        @Override
        public void write(byte[] buffer, int offset, int length) throws IOException {
          log.add(getLocalPort(), "up", length);
          out.write(buffer, offset, length);
        }
      };
    }
  }
}
