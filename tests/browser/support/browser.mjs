// Debian's Chromium, and what goes wrong in its pages without being seen.

import { installed } from './work.mjs';

const { chromium } = installed('playwright-core');

const ARGS = [
  '--headless=new',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--no-proxy-server',
  // No name but this machine's own can be looked up.
  '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost',
];

export const DESKTOP = { width: 1280, height: 900 };
export const PHONE = { width: 390, height: 844 };

/**
 * A browser that believes certificates with these public keys (`pins`) and no other unknown one. Certificate errors are
 * not ignored: WebAuthn works only where the connection is good.
 */
export async function launch(pins = []) {
  const args = pins.length ? [...ARGS, `--ignore-certificate-errors-spki-list=${pins.join(',')}`] : ARGS;
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args });
}

/** A fresh page (own cookies) of a site; `phone`: touch and a small screen; `script: false`: no JavaScript in pages. */
export async function open(browser, site, { phone = false, script = true } = {}) {
  const context = await browser.newContext({
    baseURL: site,
    javaScriptEnabled: script,
    viewport: phone ? PHONE : DESKTOP,
    ...(phone && { hasTouch: true, isMobile: true, deviceScaleFactor: 2 }),
    locale: 'en-US',
    timezoneId: 'America/Los_Angeles',
    reducedMotion: 'reduce',
  });
  context.setDefaultTimeout(10_000);
  const page = await context.newPage();
  problems.set(page, []);
  if (!script) scriptless.add(page);
  context.on('page', (opened) => watch(opened, new URL(site).origin, problems.get(page)));
  watch(page, new URL(site).origin, problems.get(page));
  return page;
}

const problems = new WeakMap();
const scriptless = new WeakSet();

/** Whether JavaScript runs in a page. */
export function scriptsRun(page) {
  return !scriptless.has(page);
}

/** What went wrong in a page since this was last asked. */
export function takeProblems(page) {
  return problems.get(page)?.splice(0) ?? [];
}

/** Notes console errors, CSP violations, exceptions, requests to elsewhere and requests that failed. */
function watch(page, origin, found) {
  // Chromium logs a document with a 4xx or 5xx as an error; what status a page has is for its test to judge.
  const documents = new Set();
  page.on('request', (request) => {
    if (request.isNavigationRequest()) documents.add(request.url());
    const url = new URL(request.url());
    if (url.origin !== origin && !['data:', 'blob:', 'about:'].includes(url.protocol)) found.push(`request to elsewhere: ${request.url()}`);
  });
  page.on('requestfailed', (request) => {
    const why = request.failure()?.errorText;
    // A navigation that another one overtook, or a download.
    if (why !== 'net::ERR_ABORTED') found.push(`request failed: ${request.url()} ${why}`);
  });
  page.on('pageerror', (error) => found.push(`exception: ${error.message}`));
  page.on('console', (message) => {
    const text = message.text();
    const { url } = message.location();
    if (/Content Security Policy/i.test(text)) {
      found.push(`CSP violation: ${text}`);
    } else if (message.type() === 'error' && !(documents.has(url) && text.startsWith('Failed to load resource'))) {
      found.push(`console error: ${text}${url ? ` (${url})` : ''}`);
    }
  });
}
