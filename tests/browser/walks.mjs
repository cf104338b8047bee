// Ways through the portal that several tests go: forms page after page, a first password, signing in.

import assert from 'node:assert/strict';

import { registration } from './answers.mjs';
import { check, fill, follow, submit, totp, visit } from './support.mjs';

/** A password that is taken without a second factor. */
export const PASSWORD = 'seven violet kettles whistle';

const looked = new Set();

/** Checks the page, unless a page of this name was checked in this file. */
export async function look(page, name) {
  if (looked.has(name)) return;
  looked.add(name);
  await check(page, name);
}

/** The heading of the page, without what stands above it. */
export async function heading(page) {
  return (await page.getByRole('heading', { level: 1 }).innerText()).split('\n').pop().trim();
}

/** What the page says. */
export function told(page) {
  return page.getByRole('main').innerText();
}

/** What stands beside a term of the page. */
export async function fact(page, term) {
  const row = page.locator('dl.summary > div').filter({ has: page.locator('dt', { hasText: new RegExp(`^${term}$`) }) });
  return (await row.locator('dd').first().innerText()).trim();
}

/**
 * Answers page after page up to the review, by `answers` of each heading; pages are looked at as `BASE-SLUG`, unless
 * `looks` is false.
 */
export async function fillIn(page, base, answers, { looks = true } = {}) {
  const name = base.slice(1);
  await visit(page, base);
  if (looks) await look(page, `${name}-start`);
  await submit(page, 'Start');
  for (let pages = 0; pages < 30; pages += 1) {
    const asked = await heading(page);
    if (asked === 'Check your answers') return;
    const known = answers[asked];
    assert.ok(known, `no answers to ${asked}`);
    if (looks) await look(page, `${name}-${new URL(page.url()).pathname.split('/').pop()}`);
    await fill(page, Object.fromEntries(Object.entries(known).filter(([, value]) => value !== undefined)));
    await submit(page, 'Continue');
  }
  assert.fail(`${base} does not end`);
}

/** An authenticator app: a code is shown once. */
export class App {
  #secret;
  #last = 0;

  constructor(secret) {
    this.#secret = secret;
  }

  async code() {
    const now = () => Math.floor(Date.now() / 30_000);
    const step = Math.max(now(), this.#last + 1);
    this.#last = step;
    // The service takes the code before and the one after, too.
    while (step > now() + 1) await new Promise((resolve) => setTimeout(resolve, 500));
    return totp(this.#secret, { at: step * 30_000 });
  }
}

/** Sets a password on the page that a mailed link opens. */
export async function setPassword(page, { looks = false, password = PASSWORD } = {}) {
  if (looks) await look(page, 'set-password');
  await fill(page, { 'New password': password, 'New password once more': password });
  await submit(page, 'Set the password');
  assert.equal(await heading(page), 'Your password is set');
  if (looks) await look(page, 'password-set');
}

/** Signs in, with the code of an app when there is one. */
export async function signIn(page, email, { app, password = PASSWORD, at = '/sign-in' } = {}) {
  await visit(page, at);
  await fill(page, { 'Email address': email, Password: password });
  await submit(page, 'Sign in');
  if (app) {
    await fill(page, { 'Six-digit code': await app.code() });
    await submit(page, 'Continue');
  }
}

/**
 * Sets up an authenticator app on the page of second factors. With the `first` one come recovery codes, and then the
 * account.
 */
export async function setUpApp(page, { looks = false, first = true } = {}) {
  if (looks) await look(page, 'second-factor-needed');
  await submit(page, 'Set up an authenticator app');
  await page.getByText('You cannot scan it?').click();
  if (looks) await look(page, 'authenticator');
  const app = new App(await page.locator('.secret').innerText());
  await fill(page, { 'Six-digit code': await app.code() });
  await submit(page, 'Continue');
  assert.equal(await heading(page), 'Your authenticator app is set up');
  if (!first) return { app, codes: [] };
  if (looks) await look(page, 'recovery-codes');
  const codes = await page.locator('.recovery-codes code').allInnerTexts();
  await follow(page, 'I have kept them');
  return { app, codes };
}

/** Somebody of CDPH with a staff role, signed in on a page of their own. */
export async function staff(world, email, role, { looks = false, region } = {}) {
  const page = await world.page();
  const where = region ? ['--region', region] : [];
  const made = await world.portal.admin('staff', 'add', '--email', email, '--first', 'Stella', '--last', 'Amt', '--role', role, ...where);
  // The command cannot know the port that was free.
  await visit(page, new URL(made.link).pathname);
  await setPassword(page);
  await signIn(page, email);
  const { app } = await setUpApp(page, { looks });
  return { page, email, app };
}

/**
 * Registers a Site whose EHR sends directly and signs its contact, ana@HOST, in. Gives the page at the organization, and
 * the Site ID.
 */
export async function registered(world, { name, host, type = 'Our EHR sends directly to the Gateway' }) {
  const page = await world.page();
  await fillIn(page, '/register', registration({ name, host, type }), { looks: false });
  const email = `ana@${host}`;
  await submit(page, 'Send the registration');
  await visit(page, (await world.mailTo(email, /Confirm your email/)).link('/verify/'));
  await submit(page, 'Confirm and register the Site');
  const site = await fact(page, 'Site ID \\(CAIR ID\\)');
  await follow(page, 'Set your password');
  await setPassword(page);
  await signIn(page, email);
  await follow(page, `${name} Group`);
  return { page, site, email };
}
