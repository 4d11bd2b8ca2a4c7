import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.InputStreamReader;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.Base64;
import java.util.HashMap;
import java.util.Map;
import java.util.logging.LogManager;
import javax.security.auth.callback.Callback;
import javax.security.auth.callback.NameCallback;
import javax.security.auth.callback.PasswordCallback;
import javax.security.sasl.AuthorizeCallback;
import javax.security.sasl.RealmCallback;
import javax.security.sasl.RealmChoiceCallback;
import javax.security.sasl.Sasl;
import javax.security.sasl.SaslClient;
import javax.security.sasl.SaslException;
import javax.security.sasl.SaslServer;

/**
 * Both halves of the JDK's DIGEST-MD5 with security layers, on standard input and output:
 * java DigestLayer.java USER PASSWORD REALM
 *
 * It takes the lines that libsasl2_layer.c takes, and answers in the same way.
 */
public class DigestLayer {
    static final Map<String, String> STRENGTH = Map.of("rc4", "high", "3des", "high", "rc4-56", "medium", "des", "medium", "rc4-40", "low");
    static String user, password, realm;
    static SaslClient client;
    static SaslServer server;
    static int room;

    static void ask(Callback[] callbacks) {
        for (Callback c : callbacks) {
            if (c instanceof NameCallback n) {
                n.setName(user);
            } else if (c instanceof PasswordCallback p) {
                p.setPassword(password.toCharArray());
            } else if (c instanceof RealmChoiceCallback r) {
                r.setSelectedIndex(0);
            } else if (c instanceof RealmCallback r) {
                r.setText(realm);
            } else if (c instanceof AuthorizeCallback a) {
                a.setAuthorized(a.getAuthenticationID().equals(a.getAuthorizationID()));
            }
        }
    }

    static void begin(boolean asClient, String qop, String cipher, String maxbuf) throws SaslException {
        Map<String, String> wanted = new HashMap<>(Map.of(Sasl.QOP, qop, Sasl.MAX_BUFFER, maxbuf, Sasl.SERVER_AUTH, "true"));
        if (qop.equals("auth-conf")) {
            wanted.put("com.sun.security.sasl.digest.cipher", cipher);
            wanted.put(Sasl.STRENGTH, STRENGTH.get(cipher));
        }
        wanted.put("com.sun.security.sasl.digest.realm", realm);
        client = null;
        server = null;
        if (asClient) {
            client = Sasl.createSaslClient(new String[] {"DIGEST-MD5"}, null, "smtp", "localhost", wanted, DigestLayer::ask);
        } else {
            server = Sasl.createSaslServer("DIGEST-MD5", "smtp", "localhost", wanted, DigestLayer::ask);
        }
    }

    static String step(byte[] message) throws SaslException {
        byte[] answer;
        boolean done;
        if (client != null) {
            answer = message.length == 0 && !client.hasInitialResponse() ? null : client.evaluateChallenge(message);
            done = client.isComplete();
        } else {
            answer = server.evaluateResponse(message);
            done = server.isComplete();
        }
        if (done) {
            Object size = client != null ? client.getNegotiatedProperty(Sasl.RAW_SEND_SIZE) : server.getNegotiatedProperty(Sasl.RAW_SEND_SIZE);
            room = size == null ? 65536 : Integer.parseInt((String) size);
        }
        return (done ? "done " : "more ") + word(answer);
    }

    /** The JDK's packets are without their length. */
    static byte[] encode(byte[] data) throws SaslException {
        ByteArrayOutputStream all = new ByteArrayOutputStream();
        for (int at = 0; at < data.length; at += room) {
            int n = Math.min(room, data.length - at);
            byte[] packet = client != null ? client.wrap(data, at, n) : server.wrap(data, at, n);
            all.writeBytes(ByteBuffer.allocate(4).putInt(packet.length).array());
            all.writeBytes(packet);
        }
        return all.toByteArray();
    }

    static byte[] decode(byte[] data) throws SaslException {
        ByteArrayOutputStream all = new ByteArrayOutputStream();
        for (ByteBuffer rest = ByteBuffer.wrap(data); rest.hasRemaining(); ) {
            byte[] packet = new byte[rest.getInt()];
            rest.get(packet);
            byte[] message = client != null ? client.unwrap(packet, 0, packet.length) : server.unwrap(packet, 0, packet.length);
            if (message.length == 0 && packet.length > 32) {
                throw new SaslException("the packet was dropped"); // as RFC 2831 wants it
            }
            all.writeBytes(message);
        }
        return all.toByteArray();
    }

    static String word(byte[] b) {
        return b == null || b.length == 0 ? "-" : Base64.getEncoder().encodeToString(b);
    }

    static byte[] bytes(String word) {
        return word.equals("-") ? new byte[0] : Base64.getDecoder().decode(word);
    }

    static String answer(String[] words) throws Exception {
        byte[] message = bytes(words[words.length - 1]);
        switch (words[0]) {
            case "begin":
                begin(words[1].equals("client"), words[2], words[3], words[4]);
                return step(message);
            case "step":
                return step(message);
            case "encode":
                return "data " + word(encode(message));
            default:
                return "data " + word(decode(message));
        }
    }

    public static void main(String[] args) throws Exception {
        user = args[0];
        password = args[1];
        realm = args[2];
        LogManager.getLogManager().reset(); // it tells of every packet that it drops
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        for (String line; (line = in.readLine()) != null; ) {
            try {
                System.out.println(answer(line.split(" ")));
            } catch (SaslException | IllegalStateException e) {
                System.out.println("failed -1 " + e.getMessage());
            }
            System.out.flush();
        }
    }
}
