import java.io.FileInputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.WebSocket;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/** Sends one message with Java's own client and prints the answers up to the completion. */
public class Status {
    public static void main(String[] arguments) throws Exception {
        KeyStore trusted = KeyStore.getInstance(KeyStore.getDefaultType());
        trusted.load(null, null);
        try (FileInputStream file = new FileInputStream(arguments[1])) {
            Certificate authority = CertificateFactory.getInstance("X.509").generateCertificate(file);
            trusted.setCertificateEntry("authority", authority);
        }
        TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(trusted);
        SSLContext tls = SSLContext.getInstance("TLS");
        tls.init(null, trust.getTrustManagers(), null);
        CompletableFuture<Void> completed = new CompletableFuture<>();
        WebSocket.Listener listener = new WebSocket.Listener() {
            private final StringBuilder text = new StringBuilder();

            @Override
            public CompletionStage<?> onText(WebSocket socket, CharSequence part, boolean last) {
                text.append(part);
                if (last) {
                    System.out.println(text);
                    if (text.indexOf("\"completion\"") >= 0) {
                        completed.complete(null);
                    }
                    text.setLength(0);
                }
                socket.request(1);
                return null;
            }

            @Override
            public void onError(WebSocket socket, Throwable problem) {
                completed.completeExceptionally(problem);
            }
        };
        WebSocket socket = HttpClient.newBuilder().sslContext(tls).build()
            .newWebSocketBuilder().buildAsync(URI.create(arguments[0]), listener).get(20, TimeUnit.SECONDS);
        socket.sendText(arguments[2], true).get(20, TimeUnit.SECONDS);
        completed.get(20, TimeUnit.SECONDS);
        socket.sendClose(WebSocket.NORMAL_CLOSURE, "done").get(20, TimeUnit.SECONDS);
        System.exit(0);
    }
}
