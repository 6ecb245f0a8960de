package test.reelsense.lab;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManager;
import javax.net.ssl.TrustManagerFactory;
import javax.net.ssl.X509TrustManager;
import okhttp3.Dns;
import okhttp3.HttpUrl;
import okhttp3.OkHttpClient;
import okhttp3.Request;
import okhttp3.Response;
import okhttp3.ResponseBody;
import okio.BufferedSource;

/**
 * Fetches as an app does and logs its sockets.
 *
 * <pre>
 * java -jar lab-okhttp-client.jar --workload reels|feed|download --certificate CERT.pem --log EVENTS.csv
 *     --seconds S --seed N --address HOST=IP... URL...
 *
 * reels     a clip by 256 KiB ranges as a player needs them (4 s of video ahead), then the next one
 * feed      photos in batches of 6, a pause between them
 * download  each file whole, at full speed
 * </pre>
 */
public final class Main {
  private static final int RANGE_BYTES = 256 * 1024;
  private static final double BYTES_PER_SECOND = 250_000;

  private final OkHttpClient client;
  private final long endNs;
  private final Random random;
  private final List<HttpUrl> urls;

  private Main(OkHttpClient client, double seconds, long seed, List<HttpUrl> urls) {
    this.client = client;
    this.endNs = System.nanoTime() + (long) (seconds * 1e9);
    this.random = new Random(seed);
    this.urls = urls;
  }

  public static void main(String[] arguments) throws Exception {
    Map<String, String> options = new HashMap<>();
    Map<String, String> addresses = new HashMap<>();
    List<HttpUrl> urls = new ArrayList<>();
    for (int i = 0; i < arguments.length; i++) {
      if (arguments[i].equals("--address")) {
        String[] pair = arguments[++i].split("=", 2);
        addresses.put(pair[0], pair[1]);
      } else if (arguments[i].startsWith("--")) {
        options.put(arguments[i], arguments[++i]);
      } else {
        urls.add(HttpUrl.get(arguments[i]));
      }
    }
    try (SocketLog log = new SocketLog(Path.of(options.get("--log")))) {
      OkHttpClient client = makeClient(Path.of(options.get("--certificate")), addresses, log);
      double seconds = Double.parseDouble(options.getOrDefault("--seconds", "20"));
      long seed = Long.parseLong(options.getOrDefault("--seed", "1"));
      new Main(client, seconds, seed, urls).run(options.getOrDefault("--workload", "reels"));
      client.connectionPool().evictAll();
      client.dispatcher().executorService().shutdown();
    }
  }

  /** Trusts the certificate in the file and nothing else. */
  private static OkHttpClient makeClient(Path certificate, Map<String, String> addresses, SocketLog log)
      throws IOException, GeneralSecurityException {
    KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
    store.load(null, null);
    try (InputStream in = Files.newInputStream(certificate)) {
      Certificate lab = CertificateFactory.getInstance("X.509").generateCertificate(in);
      store.setCertificateEntry("lab", lab);
    }
    TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
    trust.init(store);
    TrustManager[] managers = trust.getTrustManagers();
    SSLContext context = SSLContext.getInstance("TLS");
    context.init(null, managers, null);
    Dns dns =
        host -> addresses.containsKey(host)
            ? List.of(java.net.InetAddress.getByName(addresses.get(host)))
            : Dns.SYSTEM.lookup(host);
    return new OkHttpClient.Builder()
        .socketFactory(new LoggingSocketFactory(log))
        .sslSocketFactory(context.getSocketFactory(), (X509TrustManager) managers[0])
        .dns(dns)
        .build();
  }

  private void run(String workload) throws IOException, InterruptedException {
    switch (workload) {
      case "reels" -> reels();
      case "feed" -> feed();
      case "download" -> download();
      default -> throw new IllegalArgumentException("--workload " + workload + ": reels, feed or download");
    }
  }

  private boolean over() {
    return System.nanoTime() >= endNs;
  }

  private void pause(double seconds) throws InterruptedException {
    long left = endNs - System.nanoTime();
    Thread.sleep(Math.max(0, Math.min((long) (seconds * 1000), left / 1_000_000)));
  }

  private void reels() throws IOException, InterruptedException {
    for (int clip = 0; !over(); clip++) {
      HttpUrl url = urls.get(clip % urls.size());
      double watch = 3 + 9 * random.nextDouble();
      long started = System.nanoTime();
      for (long at = 0; !over(); at += RANGE_BYTES) {
        double played = (System.nanoTime() - started) / 1e9;
        if (played > watch) {
          break;
        }
        pause(at / BYTES_PER_SECOND - 4 - played);
        if (fetch(new Request.Builder().url(url).header("Range", "bytes=" + at + "-" + (at + RANGE_BYTES - 1))) == 0) {
          pause(watch - played);
          break;
        }
      }
    }
  }

  private void feed() throws IOException, InterruptedException {
    for (int photo = 0; !over(); photo++) {
      fetch(new Request.Builder().url(urls.get(photo % urls.size())));
      if (photo % 6 == 5) {
        pause(1 + 3 * random.nextDouble());
      }
    }
  }

  private void download() throws IOException {
    for (int file = 0; !over(); file++) {
      fetch(new Request.Builder().url(urls.get(file % urls.size())));
    }
  }

  /** Bytes of the body that were read; 0 where the server had none. */
  private long fetch(Request.Builder request) throws IOException {
    try (Response response = client.newCall(request.build()).execute()) {
      ResponseBody body = response.body();
      if (!response.isSuccessful() || body == null) {
        return 0;
      }
      BufferedSource source = body.source();
      byte[] buffer = new byte[16 * 1024];
      long total = 0;
      for (int n = source.read(buffer); n >= 0 && !over(); n = source.read(buffer)) {
        total += n;
      }
      return total;
    }
  }
}
