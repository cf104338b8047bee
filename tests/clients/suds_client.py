"""suds against a running server: python suds_client.py READY_JSON (suds speaks SOAP 1.1 only)."""

import ssl
import sys
import urllib.request

import suds
import suds.cache
import suds.client
import suds.transport.http

from common import Fault, Ready, run


class Transport(suds.transport.http.HttpTransport):
    """HTTPS that trusts the CA of the server under test."""

    def __init__(self, ca):
        super().__init__(timeout=60)
        self.context = ssl.create_default_context(cafile=ca)

    def u2handlers(self):
        no_proxy = urllib.request.ProxyHandler({})
        return [no_proxy, urllib.request.HTTPSHandler(context=self.context)]


def main():
    ready = Ready(sys.argv[1])
    service = suds.client.Client(
        ready.wsdl, transport=Transport(ready.ca), cache=suds.cache.NoCache()
    ).service

    def call(operation, *arguments):
        try:
            return str(operation(*arguments))
        except suds.WebFault as fault:
            detail = getattr(fault.fault, "detail", None) or getattr(fault.fault, "Detail", None)
            if detail is None:
                raise
            name, element = next(iter(detail))
            raise Fault(name, str(element.Reason)) from fault

    def echo(text):
        return call(service.connectivityTest, text)

    def submit(username, password, facility, message):
        return call(service.submitSingleMessage, username, password, facility, message)

    run("suds", ready, echo, submit)


main()
