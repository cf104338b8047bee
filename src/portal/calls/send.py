# pip install zeep. Sends the message in vxu.hl7; the password stands in password.txt.
import os
import pathlib

import requests
import zeep

session = requests.Session()
session.verify = os.environ.get("IZ_CA", True)
client = zeep.Client("{{endpoint}}?wsdl", transport=zeep.Transport(session=session))

reply = client.service.submitSingleMessage(
    username="{{username}}",
    password=pathlib.Path("password.txt").read_text().strip(),
    facilityID="{{facility}}",
    hl7Message=pathlib.Path("vxu.hl7").read_text(encoding="utf-8").strip(),
)
print(reply.replace("\r", "\n"))
