"""A mail server for the browser tests: takes mail by SMTP as a real relay would and writes each one to a folder.

    python mailbox.py --folder DIR --username NAME --password WORD

It listens on a free port of 127.0.0.1, demands STARTTLS (or speaks TLS from the first byte) and a login, and writes
`ca.pem`, the authority of its certificate, to the folder. Each accepted mail becomes NUMBER.json and NUMBER.eml there.

Standard output holds one JSON object for each line: first `port` and `ca`, then `mail` (a file) or `refused` (a
recipient) as they happen. Standard input takes commands while it runs: `refuse PATTERN`, `defer PATTERN`, `accept
PATTERN` (takes a refusal back), `quit`. It ends when standard input is closed, so it never outlives its test.
"""

import argparse
import asyncio
import datetime
import email
import email.policy
import fnmatch
import html.parser
import json
import pathlib
import re
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

# A link ends before the punctuation of its sentence.
LINK = re.compile(r"https?://[^\s<>\"']+[^\s<>\"'.,;:!?)\]]")


def main():
    parser = argparse.ArgumentParser(description="A mail server for tests.")
    parser.add_argument("--folder", type=pathlib.Path, required=True)
    parser.add_argument("--username", required=True)
    parser.add_argument("--password", required=True)
    parser.add_argument("--implicit-tls", action="store_true", help="TLS from the first byte (smtps://)")
    parser.add_argument("--name", default="localhost", help="name in the certificate")
    parser.add_argument("--refuse", action="append", default=[], metavar="PATTERN", help="550 for these recipients")
    parser.add_argument("--defer", action="append", default=[], metavar="PATTERN", help="451 for these recipients")
    options = parser.parse_args()

    asyncio.run(serve(options))


async def serve(options):
    options.folder.mkdir(parents=True, exist_ok=True)
    tls = certificate(options.folder, options.name)
    mailbox = Mailbox(options)

    def session():
        # aiosmtpd knows of STARTTLS only: inside TLS it must not ask for more.
        return Session(
            mailbox,
            hostname="localhost",
            tls_context=None if options.implicit_tls else tls,
            require_starttls=not options.implicit_tls,
            auth_required=True,
            auth_require_tls=not options.implicit_tls,
            authenticator=mailbox.authenticate,
            auth_exclude_mechanism=["CRAM-MD5"],
            enable_SMTPUTF8=True,
        )

    loop = asyncio.get_running_loop()
    server = await loop.create_server(session, "127.0.0.1", 0, ssl=tls if options.implicit_tls else None)
    tell(port=server.sockets[0].getsockname()[1], ca=str(options.folder / "ca.pem"))
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        command, _, pattern = line.strip().partition(" ")
        if command == "quit":
            break
        mailbox.obey(command, pattern)
    server.close()


def tell(**what):
    print(json.dumps(what), flush=True)


NOBODY = "550 5.1.1 No such mailbox here"
BUSY = "451 4.2.1 Mailbox busy, try again later"


class Mailbox:
    """What happens to mail: the handler of aiosmtpd."""

    def __init__(self, options):
        self.folder = options.folder
        self.account = (options.username, options.password)
        self.number = 0
        self.answers = {pattern.lower(): NOBODY for pattern in options.refuse}
        self.answers |= {pattern.lower(): BUSY for pattern in options.defer}

    def obey(self, command, pattern):
        if command in ("refuse", "defer"):
            self.answers[pattern.lower()] = NOBODY if command == "refuse" else BUSY
        elif command == "accept":
            self.answers.pop(pattern.lower(), None)
        else:
            tell(problem=f"unknown command {command!r}")
            return
        tell(obeyed=f"{command} {pattern}")

    def authenticate(self, server, session, envelope, mechanism, data):
        if (data.login.decode(), data.password.decode()) == self.account:
            return AuthResult(success=True, auth_data=self.account[0])
        return AuthResult(success=False, handled=False)

    async def handle_RCPT(self, server, session, envelope, address, options):
        matching = (answer for pattern, answer in self.answers.items() if fnmatch.fnmatchcase(address.lower(), pattern))
        answer = next(matching, None)
        if answer:
            tell(refused=address, code=int(answer[:3]))
            return answer
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        self.number += 1
        name = f"{self.number:04}"
        mail = described(envelope.content)
        mail |= {
            "number": self.number,
            "received_at": datetime.datetime.now(datetime.timezone.utc).isoformat(),
            "envelope": {"from": envelope.mail_from, "to": envelope.rcpt_tos},
            "user": session.auth_data,
            "tls": session.ssl and session.ssl["ssl_object"].version(),
        }
        (self.folder / f"{name}.eml").write_bytes(envelope.content)
        beside = self.folder / f"{name}.json.writing"
        beside.write_text(json.dumps(mail, indent=2, ensure_ascii=False), encoding="utf-8")
        beside.rename(self.folder / f"{name}.json")
        tell(mail=f"{name}.json")
        return f"250 2.0.0 Taken as {name}"


class Session(SMTP):
    """A connection. It notes TLS that was there from the first byte, as aiosmtpd does for STARTTLS."""

    def connection_made(self, transport):
        super().connection_made(transport)
        inside = transport.get_extra_info("ssl_object")
        if self.session.ssl is None and inside:
            self.session.ssl = {"ssl_object": inside}


# --- reading mail ---


def described(content):
    """Headers, texts and links of a mail, decoded."""
    message = email.message_from_bytes(content, policy=email.policy.default)
    plain = message.get_body(("plain",))
    rich = message.get_body(("html",))
    text = plain.get_content() if plain else None
    page = rich.get_content() if rich else None
    anchors = Anchors()
    anchors.feed(page or "")
    return {
        "subject": str(message["subject"] or ""),
        "headers": [[name, str(value)] for name, value in message.items()],
        "text": text,
        "html": page,
        "links": {"text": LINK.findall(text or ""), "html": anchors.found},
        "attachments": [
            {"name": part.get_filename(), "type": part.get_content_type()}
            for part in message.iter_attachments()
        ],
        "defects": [str(defect) for part in message.walk() for defect in part.defects],
    }


class Anchors(html.parser.HTMLParser):
    """The links of an HTML text with their words."""

    def __init__(self):
        super().__init__()
        self.found = []
        self.inside = False

    def handle_starttag(self, tag, attrs):
        href = dict(attrs).get("href")
        if tag == "a" and href:
            self.found.append({"href": href, "text": ""})
            self.inside = True

    def handle_endtag(self, tag):
        if tag == "a":
            self.inside = False

    def handle_data(self, data):
        if self.inside:
            self.found[-1]["text"] += data


# --- the certificate ---


def certificate(folder, name):
    """An authority and a certificate of it, valid from yesterday for a week."""
    now = datetime.datetime.now(datetime.timezone.utc)
    authority_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Authority of a test mailbox")])
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])

    def build(whose, public_key, is_authority):
        return (
            x509.CertificateBuilder()
            .subject_name(whose)
            .issuer_name(authority)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=7))
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        )

    ca = build(authority, authority_key.public_key(), True).sign(authority_key, hashes.SHA256())
    leaf = (
        build(subject, key.public_key(), False)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "ca.pem").write_bytes(ca.public_bytes(pem))
    (folder / "server.pem").write_bytes(leaf.public_bytes(pem))
    (folder / "server.key").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    return context


if __name__ == "__main__":
    main()
