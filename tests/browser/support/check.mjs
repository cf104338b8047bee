// What every page must be.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';

import { DESKTOP, PHONE, scriptsRun, takeProblems } from './browser.mjs';
import { folder, installed, suite, work } from './work.mjs';

const axe = installed('axe-core');

const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice'];
const FAILING = ['serious', 'critical'];

/** The narrowest screen of WCAG 1.4.10; what is too wide there is noted. */
const NARROWEST = { width: 320, height: 640 };

/**
 * Checks the page as it stands and keeps pictures of it as NAME-desktop.png and NAME-phone.png: axe at both widths and
 * its contrast in the dark scheme, title, language, one h1, no sideways scrolling on a phone, nothing in the console, no
 * CSP violation, no request to elsewhere. Everything that is wrong is told at once.
 */
export async function check(page, name) {
  assert.match(name, /^[a-z0-9]+(-[a-z0-9]+)*$/, 'names of pages become names of files');
  const before = page.viewportSize();
  const wrong = [];
  const scripts = await letScriptsRun(page);

  await page.setViewportSize(DESKTOP);
  await shoot(page, `${name}-desktop`);
  wrong.push(...(await structure(page)));
  wrong.push(...(await rules(page, name, 'desktop')));
  await page.emulateMedia({ colorScheme: 'dark' });
  wrong.push(...(await rules(page, name, 'dark', ['color-contrast'])));
  await page.emulateMedia({ colorScheme: null });

  await page.setViewportSize(PHONE);
  await shoot(page, `${name}-phone`);
  wrong.push(...(await overflow(page, PHONE.width)));
  wrong.push(...(await rules(page, name, 'phone')));
  await page.setViewportSize(NARROWEST);
  for (const finding of await overflow(page, NARROWEST.width)) note(name, finding);

  await page.setViewportSize(before);
  await scripts.stop();
  wrong.unshift(...takeProblems(page));
  assert.equal(wrong.length, 0, `${name}: ${wrong.length} findings\n  ${wrong.join('\n  ')}`);
}

/** Writes down what a person should look at and what fails no test. */
export function note(name, finding) {
  fs.mkdirSync(work, { recursive: true });
  fs.appendFileSync(path.join(work, 'notes.txt'), `${suite} ${name}: ${finding}\n`);
}

/**
 * Lets axe run in a page whose JavaScript is off: what the page would have done when it was loaded is not made up for.
 */
async function letScriptsRun(page) {
  if (scriptsRun(page)) return { stop() {} };
  // A session may only take back what it said itself, and says it as long as it lives.
  const session = sessions.get(page) ?? (await page.context().newCDPSession(page));
  sessions.set(page, session);
  const disabled = (value) => session.send('Emulation.setScriptExecutionDisabled', { value });
  await disabled(true);
  await disabled(false);
  return { stop: () => disabled(true) };
}

const sessions = new WeakMap();

function shoot(page, name) {
  return page.screenshot({ path: path.join(folder('shots'), `${name}.png`), fullPage: true });
}

async function structure(page) {
  const { title, lang, headings, viewport } = await page.evaluate(() => ({
    title: document.title.trim(),
    lang: document.documentElement.lang,
    headings: [...document.querySelectorAll('h1')].map((h1) => h1.innerText.trim()),
    viewport: document.querySelector('meta[name=viewport]')?.content ?? '',
  }));
  const wrong = [];
  if (!title) wrong.push('no <title>');
  if (!/^[a-z]{2}(-|$)/.test(lang)) wrong.push(`lang of the page is ${JSON.stringify(lang)}`);
  if (headings.length !== 1 || !headings[0]) wrong.push(`one h1 is expected: ${JSON.stringify(headings)}`);
  if (!viewport.includes('width=device-width')) wrong.push('no viewport of the width of the device');
  return wrong;
}

/** Whether the page is wider than the screen, or cuts something off at its edge, and what sticks out. */
async function overflow(page, width) {
  const { wide, elements } = await page.evaluate((width) => {
    const clips = (element) => {
      for (let one = element.parentElement; one && one !== document.body; one = one.parentElement) {
        if (['auto', 'scroll', 'hidden', 'clip'].includes(getComputedStyle(one).overflowX)) return true;
      }
      return false;
    };
    // What is moved away on purpose, as a skip link, has a negative edge or no size that matters.
    const out = [...document.body.querySelectorAll('*')].filter((element) => {
      const box = element.getBoundingClientRect();
      return box.width > 1 && box.height > 1 && box.right > width + 1 && !clips(element);
    });
    const innermost = out.filter((element) => !out.some((other) => other !== element && element.contains(other)));
    const named = (element) => `<${element.localName}${element.id ? ` id="${element.id}"` : ''}${element.className ? ` class="${element.className}"` : ''}>`;
    const root = document.documentElement;
    return {
      wide: Math.max(root.scrollWidth, document.body.scrollWidth),
      elements: innermost.slice(0, 5).map((element) => `${named(element)} to ${Math.round(element.getBoundingClientRect().right)}`),
    };
  }, width);
  if (wide <= width && elements.length === 0) return [];
  return [`wider than ${width} px: ${wide}${elements.length ? `; ${elements.join(', ')}` : ''}`];
}

/** Findings of axe that fail; the lesser ones are noted. */
async function rules(page, name, where, only) {
  const loaded = await page.evaluate(() => typeof window.axe?.run === 'function');
  if (!loaded) await page.evaluate(axe.source);
  const options = {
    runOnly: only ? { type: 'rule', values: only } : { type: 'tag', values: TAGS },
    resultTypes: ['violations', 'incomplete'],
    preload: false,
  };
  const { violations, incomplete } = await page.evaluate((options) => window.axe.run(document, options), options);
  const told = ({ id, impact, help, nodes }) => {
    const at = nodes.slice(0, 3).map((node) => `${node.target.join(' ')}: ${node.any?.[0]?.message ?? node.failureSummary ?? ''}`);
    return `axe ${where}: ${id} (${impact}): ${help}; ${nodes.length} at ${at.join(' | ')}`.replace(/\s+/g, ' ');
  };
  for (const finding of violations.filter((one) => !FAILING.includes(one.impact))) note(name, told(finding));
  for (const finding of incomplete) note(name, `to be looked at: ${told(finding)}`);
  return violations.filter((one) => FAILING.includes(one.impact)).map(told);
}
