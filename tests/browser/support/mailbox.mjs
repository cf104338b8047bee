// The mail server of a test: mailbox.py with what arrives there.

import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

import { Child, here, logFile, work } from './work.mjs';

export class Mailbox {
  /**
   * Starts a mail server on a free port. Options: `implicitTls` (smtps:// in the place of STARTTLS), `name` (in its
   * certificate, localhost if not told), `refuse` and `defer` (patterns of recipients).
   */
  static async start({ implicitTls = false, name, refuse = [], defer = [] } = {}) {
    const box = new Mailbox();
    box.folder = fs.mkdtempSync(path.join(os.tmpdir(), 'izportal-mail-'));
    box.username = 'izportal';
    box.password = crypto.randomBytes(12).toString('hex'); // never a leading dash: it is an argument
    box.mails = [];
    box.refused = [];
    box.taken = new Set();
    box.waiting = new Set();
    const args = ['--folder', box.folder, '--username', box.username, '--password', box.password];
    if (implicitTls) args.push('--implicit-tls');
    if (name) args.push('--name', name);
    for (const pattern of refuse) args.push('--refuse', pattern);
    for (const pattern of defer) args.push('--defer', pattern);
    const python = path.join(work, 'venv/bin/python');
    const ready = new Promise((resolve) => {
      box.child = new Child(python, [path.join(here, 'mailbox.py'), ...args], logFile('mailbox'), (line) =>
        box.#heard(JSON.parse(line), resolve),
      );
    });
    const { port, ca } = await box.child.until(ready, 'its port');
    box.url = `${implicitTls ? 'smtps' : 'smtp'}://localhost:${port}`;
    box.ca = ca;
    return box;
  }

  #heard(what, ready) {
    if (what.port) ready(what);
    if (what.refused) this.refused.push(what);
    if (what.mail) this.mails.push(new Mail(JSON.parse(fs.readFileSync(path.join(this.folder, what.mail), 'utf8'))));
    for (const look of this.waiting) look(what);
  }

  /** What `look` first gives for a line of the server. */
  #next(look, what, milliseconds) {
    let looking;
    const found = new Promise((resolve) => {
      looking = (line) => {
        const result = look(line);
        if (result) resolve(result);
      };
      this.waiting.add(looking);
      looking({});
    });
    return this.child.until(found, what, milliseconds).finally(() => this.waiting.delete(looking));
  }

  /**
   * The next mail to an address whose subject holds a text or matches a pattern; each mail is given once, in the order of
   * arrival. Waits for it.
   */
  async mailTo(address, subject = /(?:)/, { timeout = 15_000 } = {}) {
    const isIt = (mail) =>
      !this.taken.has(mail) &&
      mail.envelope.to.some((to) => to.toLowerCase() === address.toLowerCase()) &&
      (subject instanceof RegExp ? subject.test(mail.subject) : mail.subject.includes(subject));
    const here = () => this.mails.find(isIt);
    let mail;
    try {
      mail = await this.#next(here, `mail to ${address} with subject ${subject}`, timeout);
    } catch (error) {
      const came = this.mails.map((one) => `  to ${one.envelope.to}: ${one.subject}${this.taken.has(one) ? ' (read)' : ''}`);
      throw new Error(`${error.message.split('\n')[0]}; what came:\n${came.join('\n') || '  nothing'}`);
    }
    this.taken.add(mail);
    return mail;
  }

  /** The next attempt to send to a recipient that is refused or deferred. Waits for it. */
  async refusedTo(address, { timeout = 15_000 } = {}) {
    const look = () => this.refused.find((one) => !one.seen && one.refused.toLowerCase() === address.toLowerCase());
    const refused = await this.#next(look, `attempt to send to ${address}`, timeout);
    refused.seen = true;
    return refused;
  }

  /** From now on 550 for recipients of a pattern, such as `*@nowhere.example`. */
  refuse(pattern) {
    return this.#tell(`refuse ${pattern}`);
  }

  /** From now on 451. */
  defer(pattern) {
    return this.#tell(`defer ${pattern}`);
  }

  /** Takes a refusal back. */
  accept(pattern) {
    return this.#tell(`accept ${pattern}`);
  }

  async #tell(command) {
    const obeyed = this.#next((line) => line.obeyed === command, `answer to ${command}`, 5_000);
    this.child.process.stdin.write(`${command}\n`);
    await obeyed;
  }

  async stop() {
    await this.child.stop();
    fs.rmSync(this.folder, { recursive: true, force: true });
  }
}

/** A mail: subject, headers, text, html, envelope {from, to}, attachments, user, tls. */
class Mail {
  constructor(fields) {
    Object.assign(this, fields);
    this.inText = fields.links.text;
    this.inHtml = fields.links.html;
    /** Every address that it links to, once. */
    this.links = [...new Set([...this.inText, ...this.inHtml.map((link) => link.href)])];
  }

  /** Its one link that holds a text or matches a pattern. */
  link(pattern = /(?:)/) {
    const found = this.links.filter((link) => (pattern instanceof RegExp ? pattern.test(link) : link.includes(pattern)));
    assert.equal(found.length, 1, `links of "${this.subject}" that match ${pattern}: ${JSON.stringify(this.links)}`);
    return found[0];
  }
}
