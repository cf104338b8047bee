// A test file's surroundings: mail server, service, browser.

import fs from 'node:fs';
import path from 'node:path';
import { after, test as nodeTest } from 'node:test';

import { launch, open, takeProblems } from './browser.mjs';
import { Mailbox } from './mailbox.mjs';
import { Portal } from './portal.mjs';
import { soapSubmit } from './sender.mjs';
import { folder, suite } from './work.mjs';

/**
 * Starts what a test file needs, once, and stops it after the last test. Options: `mailbox` (of Mailbox.start; false: the
 * service sends no mail), `config` (of Portal.start), `site` (an origin to test in the place of the service).
 */
export async function start({ mailbox = {}, config, site } = {}) {
  const world = new World();
  after(() => world.stop());
  try {
    if (site) {
      world.url = site;
      world.browser = await launch();
    } else {
      if (mailbox) world.mailbox = await Mailbox.start(mailbox);
      world.portal = await Portal.start({ mailbox: world.mailbox, config });
      world.url = world.portal.url;
      world.browser = await launch([world.portal.pin]);
    }
  } catch (error) {
    await world.stop().catch(() => {});
    throw error;
  }
  return world;
}

/** A test without a page; its file's name goes before its own, which Node does not tell for tests made elsewhere. */
export function test(name, ...rest) {
  return nodeTest(`${suite}: ${name}`, ...rest);
}

async function within(seconds, promise) {
  let timer;
  const tooLate = new Promise((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`not finished within ${seconds} s`)), seconds * 1000);
  });
  await Promise.race([promise, tooLate]).finally(() => clearTimeout(timer));
}

class World {
  /**
   * A test with a page of its own: `body(page, t)`. Options: `phone`, `script` (of `page`), `seconds` (that it may take),
   * and those of node:test. What went wrong unseen in a page that is open fails it at its end. A failed test leaves a
   * picture of each open page.
   */
  test(name, options, body) {
    if (typeof options === 'function') [options, body] = [{}, options];
    const { phone, script, seconds = 120, ...rest } = options;
    return test(name, rest, async (t) => {
      const page = await this.page({ phone, script });
      try {
        await within(seconds, body(page, t));
        const problems = this.#open().flatMap(takeProblems);
        if (problems.length) throw new Error(`in pages that were not checked:\n  ${problems.join('\n  ')}`);
      } catch (error) {
        await this.#failed(name, error);
        throw error;
      } finally {
        await page.context().close();
      }
    });
  }

  /** The pages that are open, of everybody. */
  #open() {
    return this.browser.contexts().flatMap((context) => context.pages());
  }

  async #failed(name, error) {
    const slug = name.toLowerCase().replace(/[^a-z0-9]+/g, '-').slice(0, 80);
    const used = this.#open().filter((page) => page.url() !== 'about:blank');
    for (const [n, page] of used.entries()) {
      const file = path.join(folder('shots'), `FAILED-${suite}-${slug}${n ? `-${n + 1}` : ''}.png`);
      await page.screenshot({ path: file, fullPage: true, timeout: 5_000 }).catch(() => {});
      error.message += `\n  at ${page.url()}${fs.existsSync(file) ? `, seen in ${file}` : ''}`;
    }
    if (this.portal) error.message += `\n  log: ${this.portal.log}`;
  }

  /** Another page, as of another person: it shares no cookies. Close its context, or let the browser's end do it. */
  page(options) {
    return open(this.browser, this.url, options);
  }

  /** The next mail to an address; see Mailbox.mailTo. */
  mailTo(...args) {
    return this.mailbox.mailTo(...args);
  }

  /** Submits a message to the service; see soapSubmit. */
  soapSubmit(message) {
    return soapSubmit({ endpoint: this.portal.endpoint, ca: this.portal.ca, ...message });
  }

  async stop() {
    const parts = [() => this.browser?.close(), () => this.portal?.stop(), () => this.mailbox?.stop()];
    const failures = [];
    for (const stop of parts) await Promise.resolve().then(stop).catch((error) => failures.push(error));
    if (failures.length) throw failures[0];
  }
}
