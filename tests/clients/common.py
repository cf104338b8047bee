"""Cases shared by the Python clients: what is sent and what must come back."""

import datetime
import json
import pathlib
import sys
import uuid

HERE = pathlib.Path(__file__).resolve().parent
NAMESPACE = "urn:cdc:iisb:2011"


class Fault(Exception):
    """A SOAP fault as the stack under test showed it: its detail element and that element's Reason."""

    def __init__(self, element, reason):
        super().__init__(f"fault {element} with Reason {reason!r}")
        self.element = element
        self.reason = reason


class Ready:
    """What the server wrote into its ready file, with the first sender of the test environment."""

    def __init__(self, path):
        ready = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
        self.endpoint = ready["endpoint"]
        self.wsdl = ready["wsdl"]
        self.ca = ready["ca"]
        self.sender = next(s for s in ready["senders"] if s["environment"] == "test")


def vxu(sender, control_id, end="\r", last_end=True, **text):
    """Fills the template; segments end with `end`, the last one only if `last_end`."""
    now = datetime.datetime.now().astimezone()
    values = {
        "control_id": control_id,
        "facility": sender["facility_id"],
        "site": sender["site_id"],
        "region": sender["region"],
        "processing": "T",
        "now": now.strftime("%Y%m%d%H%M%S%z"),
        "today": now.strftime("%Y%m%d"),
        "expires": f"{now.year + 1}1231",
        "family": "Ibarra",
        "note": "given at the clinic",
    }
    message = (HERE / "vxu.hl7").read_text(encoding="utf-8").strip().replace("\n", end)
    for name, value in {**values, **text}.items():
        message = message.replace("{{" + name + "}}", value)
    return message + (end if last_end else "")


def run(stack, ready, echo, submit):
    """Runs every case through `echo(text)` and `submit(username, password, facility, message)`; exits."""
    sender = ready.sender

    def control_id():
        return f"{stack}-{uuid.uuid4().hex[:12]}"

    def send(message, password=None):
        return submit(sender["username"], password or sender["password"], sender["facility_id"], message)

    def acknowledged(codes=("AA",), **options):
        sent_id = control_id()
        reply = send(vxu(sender, sent_id, **options))
        if reply.count("MSH|") != 1:
            return f"{reply.count('MSH|')} MSH in the reply"
        segments = reply.replace("\n", "\r").split("\r")
        msa = next((s.split("|") for s in segments if s.startswith("MSA|")), ["MSA", "", ""])
        if msa[1] not in codes:
            errors = " ".join(s for s in segments if s.startswith("ERR|"))
            return f"MSA-1 is {msa[1]!r}, {errors}"
        if msa[2] != sent_id:
            return f"MSA-2 is {msa[2]!r}, sent {sent_id!r}"
        return None

    def connectivity():
        text = (HERE / "echo.txt").read_text(encoding="utf-8")
        came_back = echo(text)
        return None if came_back == text else f"came back as {came_back!r}"

    def refused(element, reason, message, password=None):
        try:
            send(message, password)
        except Fault as fault:
            return None if (fault.element, fault.reason) == (element, reason) else str(fault)
        return "accepted"

    def two_messages():
        message = vxu(sender, control_id()) + vxu(sender, control_id())
        return refused("MessageTooLargeFault", "MessageTooLarge", message)

    def oversize():
        message = vxu(sender, control_id(), note="x" * 2_000_000)
        return refused("MessageTooLargeFault", "MessageTooLarge", message)

    cases = {
        "connectivity": connectivity,
        "submit": acknowledged,
        "submit_lf": lambda: acknowledged(end="\n"),
        "submit_crlf": lambda: acknowledged(end="\r\n"),
        "submit_cr": lambda: acknowledged(end="\r", last_end=False),
        # A registry may warn of letters outside A-Z in a name; the message is kept all the same.
        "non_ascii": lambda: acknowledged(codes=("AA", "AE"), family="Núñez-李"),
        "markup": lambda: acknowledged(note=r"2 < 3 > 1 ]]> Sample \T\ Sons <b>"),
        "wrong_password": lambda: refused(
            "SecurityFault", "Security", vxu(sender, control_id()), "not the password"
        ),
        "two_messages": two_messages,
        "oversize": oversize,
    }
    failed = False
    for name, case in cases.items():
        try:
            why = case()
        except Exception as error:  # any failure of the stack is the finding
            why = f"{type(error).__name__}: {error}"
        failed = failed or why is not None
        print(f"ok {name}" if why is None else f"FAIL {name}: {' '.join(why.split())[:300]}", flush=True)
    sys.exit(1 if failed else 0)
