// The work folder, what is installed there, and child processes that end with us.

import { spawn } from 'node:child_process';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import readline from 'node:readline';
import { fileURLToPath } from 'node:url';

export const here = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
export const root = path.dirname(path.dirname(here));
export const work = path.join(here, '.work');

/** A package of the work folder. */
export const installed = createRequire(path.join(work, 'package.json'));

/** The test file that runs, without its ending: names of files that it leaves behind begin with it. */
export const suite = path.basename(process.argv[1] ?? 'unnamed').replace(/(\.test)?\.mjs$/, '');

/** A folder in the work folder, made when it is missing. */
export function folder(name) {
  const made = path.join(work, name);
  fs.mkdirSync(made, { recursive: true });
  return made;
}

/** A path in `logs` that nothing else of this run writes to. */
export function logFile(what) {
  const logs = folder('logs');
  for (let n = 1; ; n += 1) {
    const candidate = path.join(logs, `${suite}-${what}${n > 1 ? `-${n}` : ''}.log`);
    try {
      fs.closeSync(fs.openSync(candidate, 'wx'));
      return candidate;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
  }
}

const children = new Set();
process.on('exit', () => children.forEach((child) => child.kill('SIGKILL')));

/** A child process whose lines of output are handed to `onLine`, with all it says in a log file. */
export class Child {
  constructor(command, args, log, onLine) {
    this.name = path.basename(command);
    this.log = log;
    this.process = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    children.add(this.process);
    const out = fs.createWriteStream(log, { flags: 'a' });
    this.process.stderr.pipe(out, { end: false });
    readline.createInterface({ input: this.process.stdout }).on('line', (line) => {
      out.write(`${line}\n`);
      onLine(line);
    });
    this.ended = new Promise((resolve) => {
      const end = (how) => {
        children.delete(this.process);
        this.running = false;
        out.end();
        resolve(how);
      };
      this.process.on('error', (error) => end(error.message));
      this.process.on('close', (code, signal) => end(signal ?? code));
    });
    this.running = true;
  }

  /** The last lines that it said. */
  tail(lines = 20) {
    return fs.readFileSync(this.log, 'utf8').trimEnd().split('\n').slice(-lines).join('\n');
  }

  /** What `promise` gives, unless the child ends or too much time passes before. */
  async until(promise, what, milliseconds = 60_000) {
    let timer;
    const tooLate = new Promise((_resolve, reject) => {
      timer = setTimeout(() => reject(new Error(`${this.name}: no ${what} within ${milliseconds} ms\n${this.tail()}`)), milliseconds);
    });
    const ended = this.ended.then((how) => {
      throw new Error(`${this.name} ended (${how}) before ${what}\n${this.tail()}`);
    });
    ended.catch(() => {});
    try {
      return await Promise.race([promise, ended, tooLate]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Ends it by a signal, by force after ten seconds; gives the exit code or the signal. */
  async stop(signal = 'SIGTERM') {
    if (!this.running) return this.ended;
    this.process.kill(signal);
    const force = setTimeout(() => this.process.kill('SIGKILL'), 10_000);
    const how = await this.ended;
    clearTimeout(force);
    return how;
  }
}
