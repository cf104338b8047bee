// .NET 8 or later, as Program.cs of a console project. Sends the message in vxu.hl7; the password stands in password.txt.
using System.Net.Http.Headers;
using System.Xml.Linq;

XNamespace soap = "http://www.w3.org/2003/05/soap-envelope";
XNamespace iis = "urn:cdc:iisb:2011";
var envelope = new XElement(soap + "Envelope",
    new XElement(soap + "Body",
        new XElement(iis + "submitSingleMessage",
            new XElement(iis + "username", "{{username}}"),
            new XElement(iis + "password", File.ReadAllText("password.txt").Trim()),
            new XElement(iis + "facilityID", "{{facility}}"),
            new XElement(iis + "hl7Message", File.ReadAllText("vxu.hl7").Trim()))));

using var client = new HttpClient();
var content = new StringContent(envelope.ToString(SaveOptions.DisableFormatting));
content.Headers.ContentType = MediaTypeHeaderValue.Parse(
    "application/soap+xml; charset=utf-8; action=\"urn:cdc:iisb:2011:submitSingleMessage\"");
var response = await client.PostAsync("{{endpoint}}", content);
Console.WriteLine((int)response.StatusCode);
Console.WriteLine(await response.Content.ReadAsStringAsync());
