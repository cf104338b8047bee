// Java 17 or later: java Send.java. Sends the message in vxu.hl7; the password stands in password.txt.
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;

public class Send {
    static String escaped(String text) {
        return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#13;");
    }

    public static void main(String[] arguments) throws Exception {
        String envelope = """
            <soap:Envelope xmlns:soap="http://www.w3.org/2003/05/soap-envelope" xmlns:iis="urn:cdc:iisb:2011">
            <soap:Body><iis:submitSingleMessage>
            <iis:username>{{username}}</iis:username>
            <iis:password>%s</iis:password>
            <iis:facilityID>{{facility}}</iis:facilityID>
            <iis:hl7Message>%s</iis:hl7Message>
            </iis:submitSingleMessage></soap:Body>
            </soap:Envelope>
            """.formatted(
                escaped(Files.readString(Path.of("password.txt")).strip()),
                escaped(Files.readString(Path.of("vxu.hl7")).strip()));
        HttpRequest request = HttpRequest.newBuilder(URI.create("{{endpoint}}"))
            .header("Content-Type",
                "application/soap+xml; charset=utf-8; action=\"urn:cdc:iisb:2011:submitSingleMessage\"")
            .POST(HttpRequest.BodyPublishers.ofString(envelope))
            .build();
        HttpResponse<String> response =
            HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString());
        System.out.println(response.statusCode());
        System.out.println(response.body());
    }
}
