// gSOAP against a running server (SOAP 1.2):
//   client ENDPOINT CA USERNAME PASSWORD FACILITY SITE REGION FOLDER_OF_VXU
// The soap*.h and *.nsmap files are generated from the WSDL that the server hands out; see ./run.

#include <algorithm>
#include <csignal>
#include <ctime>
#include <fstream>
#include <functional>
#include <iostream>
#include <iterator>
#include <map>
#include <random>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "client_USCOREBinding_USCORESoap12.nsmap"
#include "soapclient_USCOREBinding_USCORESoap12Proxy.h"

namespace {

using Proxy = client_USCOREBinding_USCORESoap12Proxy;
using Texts = std::map<std::string, std::string>;

struct Fault : std::runtime_error {
    Fault(const std::string &element_, const std::string &reason_)
        : std::runtime_error("fault " + element_ + " with Reason '" + reason_ + "'"), element(element_),
          reason(reason_) {}
    std::string element;
    std::string reason;
};

struct Settings {
    std::string endpoint, ca, username, password, facility, site, region, folder;
} settings;

std::string read(const std::string &name) {
    std::ifstream file(settings.folder + "/" + name, std::ios::binary);
    if (!file) throw std::runtime_error("cannot read " + name);
    return std::string(std::istreambuf_iterator<char>(file), {});
}

void replace_all(std::string &text, const std::string &from, const std::string &to) {
    for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
        text.replace(at, from.size(), to);
}

std::string time_as(const char *format) {
    const std::time_t now = std::time(nullptr);
    char text[64];
    std::strftime(text, sizeof text, format, std::gmtime(&now));
    return text;
}

std::string control_id() {
    static std::mt19937_64 random{std::random_device{}()};
    std::ostringstream id;
    id << "gsoap-" << std::hex << (random() & 0xffffffffffffULL);
    return id.str();
}

std::string vxu(const std::string &id, const Texts &texts = {}, const std::string &end = "\r",
                bool last_end = true) {
    Texts values = {
        {"control_id", id},
        {"facility", settings.facility},
        {"site", settings.site},
        {"region", settings.region},
        {"processing", "T"},
        {"now", time_as("%Y%m%d%H%M%S+0000")},
        {"today", time_as("%Y%m%d")},
        {"expires", std::to_string(std::stoi(time_as("%Y")) + 1) + "1231"},
        {"family", "Ibarra"},
        {"note", "given at the clinic"},
    };
    for (const auto &text : texts) values[text.first] = text.second;
    std::string message = read("vxu.hl7");
    message.erase(message.find_last_not_of('\n') + 1);
    replace_all(message, "\n", end);
    for (const auto &value : values) replace_all(message, "{{" + value.first + "}}", value.second);
    return last_end ? message + end : message;
}

/// Throws what the reply of a failed call says.
[[noreturn]] void fail(Proxy &proxy) {
    const SOAP_ENV__Fault *fault = proxy.soap_fault();
    const SOAP_ENV__Detail *detail =
        fault == nullptr ? nullptr : (fault->SOAP_ENV__Detail ? fault->SOAP_ENV__Detail : fault->detail);
    // Reason has no type in the schema, so it arrives as the XML inside the element.
    if (detail && detail->ns1__SecurityFault)
        throw Fault("SecurityFault", detail->ns1__SecurityFault->Reason);
    if (detail && detail->ns1__MessageTooLargeFault)
        throw Fault("MessageTooLargeFault", detail->ns1__MessageTooLargeFault->Reason);
    if (detail && detail->ns1__fault) throw Fault("fault", detail->ns1__fault->Reason);
    std::ostringstream text;
    proxy.soap_stream_fault(text);
    throw std::runtime_error(text.str());
}

/// A proxy for one call that trusts only our CA and checks the name in the certificate.
void open(Proxy &proxy) {
    proxy.soap_endpoint = settings.endpoint.c_str();
    proxy.soap->connect_timeout = proxy.soap->send_timeout = proxy.soap->recv_timeout = 60;
    if (soap_ssl_client_context(proxy.soap, SOAP_SSL_DEFAULT, nullptr, nullptr, settings.ca.c_str(),
                                nullptr, nullptr))
        fail(proxy);
}

std::string echo(std::string text) {
    Proxy proxy(SOAP_C_UTFSTRING);
    open(proxy);
    ns1__connectivityTestRequestType request;
    ns1__connectivityTestResponseType response;
    request.echoBack = &text;
    if (proxy.connectivityTest(&request, response) != SOAP_OK) fail(proxy);
    if (response.return_ == nullptr) throw std::runtime_error("no return");
    return *response.return_;
}

std::string submit(std::string message, std::string password = settings.password) {
    Proxy proxy(SOAP_C_UTFSTRING);
    open(proxy);
    ns1__submitSingleMessageRequestType request;
    ns1__submitSingleMessageResponseType response;
    request.username = &settings.username;
    request.password = &password;
    request.facilityID = &settings.facility;
    request.hl7Message = &message;
    if (proxy.submitSingleMessage(&request, response) != SOAP_OK) fail(proxy);
    if (response.return_ == nullptr) throw std::runtime_error("no return");
    return *response.return_;
}

std::vector<std::string> split(const std::string &text, const char *ends) {
    std::vector<std::string> parts;
    for (size_t from = 0; from <= text.size();) {
        const size_t to = std::min(text.find_first_of(ends, from), text.size());
        parts.push_back(text.substr(from, to - from));
        from = to + 1;
    }
    return parts;
}

void acknowledged(const Texts &texts = {}, const std::string &end = "\r", bool last_end = true,
                  bool warned = false) {
    const std::string id = control_id();
    const std::string reply = submit(vxu(id, texts, end, last_end));
    const size_t header = reply.find("MSH|");
    if (header == std::string::npos || reply.find("MSH|", header + 1) != std::string::npos)
        throw std::runtime_error("not exactly one MSH in the reply");
    std::vector<std::string> msa;
    std::string errors;
    for (const std::string &segment : split(reply, "\r\n")) {
        if (segment.compare(0, 4, "MSA|") == 0) msa = split(segment, "|");
        if (segment.compare(0, 4, "ERR|") == 0) errors += " " + segment;
    }
    msa.resize(3);
    if (msa[1] != "AA" && !(warned && msa[1] == "AE"))
        throw std::runtime_error("MSA-1 is '" + msa[1] + "'," + errors);
    if (msa[2] != id) throw std::runtime_error("MSA-2 is '" + msa[2] + "', sent '" + id + "'");
}

void refused(const std::string &element, const std::string &reason, const std::string &message,
             const std::string &password = settings.password) {
    try {
        submit(message, password);
    } catch (const Fault &fault) {
        if (fault.element == element && fault.reason == reason) return;
        throw;
    }
    throw std::runtime_error("accepted");
}

} // namespace

int main(int count, char **arguments) {
    if (count != 9) {
        std::cerr << "usage: client ENDPOINT CA USERNAME PASSWORD FACILITY SITE REGION FOLDER\n";
        return 2;
    }
    settings = {arguments[1], arguments[2], arguments[3], arguments[4],
                arguments[5], arguments[6], arguments[7], arguments[8]};
    std::signal(SIGPIPE, SIG_IGN); // a server that hangs up while we write is a failed case, not our end
    soap_ssl_init();

    const std::vector<std::pair<std::string, std::function<void()>>> cases = {
        {"connectivity",
         [] {
             const std::string text = read("echo.txt"), came_back = echo(text);
             if (came_back != text) throw std::runtime_error("came back as '" + came_back + "'");
         }},
        {"submit", [] { acknowledged(); }},
        {"submit_lf", [] { acknowledged({}, "\n"); }},
        {"submit_crlf", [] { acknowledged({}, "\r\n"); }},
        {"submit_cr", [] { acknowledged({}, "\r", false); }},
        // A registry may warn of letters outside A-Z in a name; the message is kept all the same.
        {"non_ascii", [] { acknowledged({{"family", "Núñez-李"}}, "\r", true, true); }},
        {"markup", [] { acknowledged({{"note", "2 < 3 > 1 ]]> Sample \\T\\ Sons <b>"}}); }},
        {"wrong_password",
         [] { refused("SecurityFault", "Security", vxu(control_id()), "not the password"); }},
        {"two_messages",
         [] { refused("MessageTooLargeFault", "MessageTooLarge", vxu(control_id()) + vxu(control_id())); }},
        {"oversize",
         [] {
             refused("MessageTooLargeFault", "MessageTooLarge",
                     vxu(control_id(), {{"note", std::string(2000000, 'x')}}));
         }},
    };
    bool failed = false;
    for (const auto &named : cases) {
        try {
            named.second();
            std::cout << "ok " << named.first << std::endl;
        } catch (const std::exception &error) {
            failed = true;
            std::string why = error.what();
            for (char &letter : why)
                if (letter == '\r' || letter == '\n') letter = ' ';
            std::cout << "FAIL " << named.first << ": " << why.substr(0, 300) << std::endl;
        }
    }
    return failed ? 1 : 0;
}
