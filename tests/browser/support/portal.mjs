// The service under test: `izportal serve` with a configuration and a data directory of its own.

import { execFile } from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

import { Child, logFile, root } from './work.mjs';

export class Portal {
  /**
   * Starts the service on a free port. Options: `mailbox` (a Mailbox that it sends by), `config` (tables of the
   * configuration, laid over what a test needs: `{ gateway: { reply: 'accept' } }`).
   */
  static async start({ mailbox, config = {} } = {}) {
    const portal = new Portal();
    portal.program = process.env.IZPORTAL ?? path.join(root, 'target/debug/izportal');
    portal.folder = fs.mkdtempSync(path.join(os.tmpdir(), 'izportal-browser-'));
    portal.configFile = path.join(portal.folder, 'izportal.toml');
    portal.config = { data_dir: path.join(portal.folder, 'data'), server: { listen: '127.0.0.1:0', ops_listen: '' } };
    if (mailbox) portal.config.mail = portal.#mail(mailbox);
    for (const [table, keys] of Object.entries(config)) {
      portal.config[table] = isTable(keys) ? { ...portal.config[table], ...keys } : keys;
    }
    portal.log = logFile('izportal');
    await portal.#serve();
    portal.ca = path.join(portal.config.data_dir, 'tls/ca.pem');
    portal.certificate = portal.config.server.tls?.certificate ?? path.join(portal.config.data_dir, 'tls/server.pem');
    return portal;
  }

  #mail(mailbox) {
    const password = path.join(this.folder, 'mail.password');
    fs.writeFileSync(password, `${mailbox.password}\n`, { mode: 0o600 });
    return {
      smtp: mailbox.url,
      from: 'IZ Portal <no-reply@izportal.example>',
      username: mailbox.username,
      password_file: password,
      ca_file: mailbox.ca,
    };
  }

  async #serve() {
    fs.writeFileSync(this.configFile, toml(this.config));
    const ready = new Promise((resolve) => {
      this.child = new Child(this.program, ['serve', '--config', this.configFile], this.log, (line) => {
        const said = /\bserving (https:\/\/\S+)\/IISService\b/.exec(line);
        if (said) resolve(said[1]);
      });
    });
    this.url = await this.child.until(ready, 'its address');
    this.endpoint = `${this.url}/IISService`;
  }

  /** What `izportal admin ARGUMENTS` prints, read as JSON. */
  async admin(...args) {
    const { stdout } = await this.run('admin', '--config', this.configFile, '--format', 'json', ...args);
    return stdout.trim() ? JSON.parse(stdout) : null;
  }

  /** What any command of the program prints; rejects with its messages when it fails. */
  async run(...args) {
    return promisify(execFile)(this.program, args, { timeout: 60_000 });
  }

  /**
   * An organization with a Site and a test credential, made on the command line, for tests that begin behind
   * registration.
   */
  async site({ name = 'Larkspur Pediatrics', county = 'Alameda', kind = 'direct', status = 'testing' } = {}) {
    const organization = await this.admin('organization', 'create', name);
    const site = await this.admin(
      ...['site', 'create', '--organization', String(organization.id), '--name', name],
      ...['--kind', kind, '--county', county, '--status', status],
    );
    const issued = await this.admin('credential', 'issue', site.id, 'test');
    return { organization, site, issued };
  }

  /** Stops and starts it again at the same address with the same data. */
  async restart() {
    await this.#end();
    this.config.server.listen = `127.0.0.1:${new URL(this.url).port}`;
    await this.#serve();
  }

  async stop() {
    try {
      await this.#end();
    } finally {
      fs.rmSync(this.folder, { recursive: true, force: true });
    }
  }

  async #end() {
    const died = !this.child.running;
    const how = await this.child.stop();
    if (died || how !== 0) throw new Error(`izportal ${died ? 'had died' : 'did not stop cleanly'} (${how}); ${this.log}:\n${this.child.tail()}`);
  }

  /** SHA-256 of its public key, as Chromium takes it. */
  get pin() {
    const { publicKey } = new crypto.X509Certificate(fs.readFileSync(this.certificate));
    return crypto.createHash('sha256').update(publicKey.export({ type: 'spki', format: 'der' })).digest('base64');
  }
}

function isTable(value) {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** TOML of nested tables; JSON writes its strings, numbers, booleans and lists as TOML has them. */
export function toml(table, prefix = '') {
  const entries = Object.entries(table);
  const keys = entries.filter(([, value]) => !isTable(value)).map(([key, value]) => `${key} = ${JSON.stringify(value)}\n`);
  const tables = entries
    .filter(([, value]) => isTable(value))
    .map(([key, value]) => `\n[${prefix}${key}]\n${toml(value, `${prefix}${key}.`)}`);
  return [...keys, ...tables].join('');
}
