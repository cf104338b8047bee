"""zeep against a running server: python zeep_client.py READY_JSON (SOAP 1.2)."""

import sys

import requests
import zeep
from lxml import etree

from common import NAMESPACE, Fault, Ready, run


def main():
    ready = Ready(sys.argv[1])
    session = requests.Session()
    session.trust_env = False  # a CA bundle named in the environment would win over ours
    session.verify = ready.ca
    transport = zeep.Transport(session=session, timeout=60, operation_timeout=60)
    service = zeep.Client(ready.wsdl, transport=transport).service

    def call(operation, **arguments):
        try:
            return operation(**arguments)
        except zeep.exceptions.Fault as fault:
            if fault.detail is None or len(fault.detail) == 0:
                raise
            element = fault.detail[0]
            raise Fault(
                etree.QName(element).localname, element.findtext(f"{{{NAMESPACE}}}Reason")
            ) from fault

    def echo(text):
        return call(service.connectivityTest, echoBack=text)

    def submit(username, password, facility, message):
        return call(
            service.submitSingleMessage,
            username=username,
            password=password,
            facilityID=facility,
            hl7Message=message,
        )

    run("zeep", ready, echo, submit)


main()
