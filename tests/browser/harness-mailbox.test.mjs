// The mail server of the harness, spoken to by a plain SMTP client.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';

import { Mailbox, test } from './support.mjs';
import { work } from './support/work.mjs';

const CLIENT = `
import smtplib, ssl, sys
from email.message import EmailMessage
port, ca, password, to, subject, mode = sys.argv[1:]
trust = ssl.create_default_context(cafile=None if mode == 'untrusting' else ca)
if mode == 'smtps':
    client = smtplib.SMTP_SSL('localhost', int(port), context=trust)
else:
    client = smtplib.SMTP('localhost', int(port))
    if mode != 'plain':
        client.starttls(context=trust)
if mode == 'login':
    client.ehlo(); client.user, client.password = 'izportal', password
    client.auth('LOGIN', client.auth_login)
elif mode not in ('plain', 'anonymous'):
    client.login('izportal', password)
mail = EmailMessage()
mail['From'], mail['To'], mail['Subject'] = 'IZ Portal <no-reply@izportal.example>', to, subject
mail.set_content('Confirm at https://localhost:1/verify?token=abc_DEF-1. Ends tomorrow.')
mail.add_alternative('<p><a href="https://localhost:1/verify?token=abc_DEF-1&amp;x=1">Confirm</a></p>', subtype='html')
client.send_message(mail)
`;

async function send(box, to, subject, mode = 'starttls', password = box.password) {
  const port = new URL(box.url.replace(/^smtps?/, 'http')).port;
  const args = ['-c', CLIENT, port, box.ca, password, to, subject, mode];
  await promisify(execFile)(path.join(work, 'venv/bin/python'), args);
}

test('mail is taken after STARTTLS and a login, and read with its links', async () => {
  const box = await Mailbox.start();
  try {
    const awaited = box.mailTo('ana@clinic.example', /confirm/i);
    await send(box, 'Ana <ana@clinic.example>', 'Welcome');
    await send(box, 'Ana <ana@clinic.example>', 'Núñez: please confirm', 'login');

    const mail = await awaited;
    assert.equal(mail.subject, 'Núñez: please confirm');
    assert.deepEqual(mail.envelope, { from: 'no-reply@izportal.example', to: ['ana@clinic.example'] });
    assert.deepEqual(mail.inText, ['https://localhost:1/verify?token=abc_DEF-1']);
    assert.deepEqual(mail.inHtml, [{ href: 'https://localhost:1/verify?token=abc_DEF-1&x=1', text: 'Confirm' }]);
    assert.equal(mail.link(/x=1$/), 'https://localhost:1/verify?token=abc_DEF-1&x=1');
    assert.throws(() => mail.link('/verify'), /links of/);
    assert.equal(mail.tls, 'TLSv1.3');
    await assert.rejects(box.mailTo('ana@clinic.example', /confirm/i, { timeout: 100 }), /what came:\n {2}to ana.*Welcome\n.*\(read\)/);
  } finally {
    await box.stop();
  }
});

test('without TLS, without a login or with a wrong one nothing is taken', async () => {
  const box = await Mailbox.start();
  try {
    await assert.rejects(send(box, 'ana@clinic.example', 'x', 'plain'), /Must issue a STARTTLS command first/);
    await assert.rejects(send(box, 'ana@clinic.example', 'x', 'anonymous'), /Authentication required/);
    await assert.rejects(send(box, 'ana@clinic.example', 'x', 'starttls', 'wrong'), /credentials invalid/);
    await assert.rejects(send(box, 'ana@clinic.example', 'x', 'untrusting'), /CERTIFICATE_VERIFY_FAILED/);
    assert.equal(box.mails.length, 0);
  } finally {
    await box.stop();
  }
});

test('TLS from the first byte, and a certificate of another name', async () => {
  const box = await Mailbox.start({ implicitTls: true });
  const other = await Mailbox.start({ name: 'other.example' });
  try {
    await send(box, 'ana@clinic.example', 'smtps', 'smtps');
    assert.equal((await box.mailTo('ana@clinic.example')).tls, 'TLSv1.3');
    await assert.rejects(send(other, 'ana@clinic.example', 'x'), /Hostname mismatch/);
  } finally {
    await box.stop();
    await other.stop();
  }
});

test('recipients are refused and deferred, from the start and later', async () => {
  const box = await Mailbox.start({ refuse: ['*@nowhere.example'], defer: ['busy@*'] });
  try {
    await assert.rejects(send(box, 'ana@nowhere.example', 'x'), /550.*No such mailbox/);
    await assert.rejects(send(box, 'busy@clinic.example', 'x'), /451.*Mailbox busy/);
    assert.equal((await box.refusedTo('busy@clinic.example')).code, 451);
    await box.accept('busy@*');
    await send(box, 'busy@clinic.example', 'later');
    assert.equal((await box.mailTo('busy@clinic.example')).subject, 'later');
    await box.refuse('ana@clinic.example');
    await assert.rejects(send(box, 'ana@clinic.example', 'x'), /550/);
  } finally {
    await box.stop();
  }
});
