// One mail through Jakarta Mail: java JakartaMail.java PORT IMPLICIT TRUSTSTORE USER PASSWORD TO
import jakarta.mail.Message;
import jakarta.mail.Session;
import jakarta.mail.Transport;
import jakarta.mail.internet.InternetAddress;
import jakarta.mail.internet.MimeMessage;
import java.util.Properties;

public class JakartaMail {
  public static void main(String[] a) throws Exception {
    System.setProperty("javax.net.ssl.trustStore", a[2]);
    System.setProperty("javax.net.ssl.trustStorePassword", "changeit");
    boolean implicit = a[1].equals("true");
    String protocol = implicit ? "smtps" : "smtp";
    Properties p = new Properties();
    p.put("mail." + protocol + ".auth", "true");
    p.put("mail." + protocol + ".timeout", "20000");
    p.put("mail." + protocol + ".ssl.checkserveridentity", "true");
    if (!implicit) {
      p.put("mail.smtp.starttls.enable", "true");
      p.put("mail.smtp.starttls.required", "true");
    }
    Session session = Session.getInstance(p);
    MimeMessage message = new MimeMessage(session);
    message.setFrom(new InternetAddress(a[3], "Alice"));
    message.setRecipient(Message.RecipientType.TO, new InternetAddress(a[5]));
    message.setSubject("Grüße von Jakarta Mail", "UTF-8");
    message.setText("One line.\r\n.dot\r\n", "UTF-8");
    try (Transport transport = session.getTransport(protocol)) {
      transport.connect("localhost", Integer.parseInt(a[0]), a[3], a[4]);
      transport.sendMessage(message, message.getAllRecipients());
    }
  }
}
