// Going through pages and forms as a person does: by what is written there.

import assert from 'node:assert/strict';

/** Opens a path or a whole link; gives the response, whose status must be the one expected. */
export async function visit(page, address, { status = 200 } = {}) {
  const response = await page.goto(address);
  assert.equal(response.status(), status, `status of ${address} is ${response.status()}, not ${status}`);
  return response;
}

/** Presses the button of this name and waits for the page that follows; gives its response. */
export function submit(page, button) {
  return leave(page, page.getByRole('button', { name: button, exact: typeof button === 'string' }));
}

/** Follows the link of this name to another page, which must be there; gives its response. */
export async function follow(page, link) {
  const response = await leave(page, page.getByRole('link', { name: link, exact: typeof link === 'string' }));
  assert.ok((response?.status() ?? 200) < 400, `status of ${page.url()} behind ${link} is ${response?.status()}`);
  return response;
}

async function leave(page, locator) {
  await locator.click({ trial: true });
  const [response] = await Promise.all([page.waitForNavigation({ waitUntil: 'load' }), locator.click()]);
  return response;
}

/**
 * Fills fields by their visible labels: `{ 'Name of the Site': 'Larkspur Pediatrics', County: 'Alameda' }`. Text goes into
 * text fields, the visible option into lists, true or false into check boxes; a group (fieldset) takes the labels of what
 * to check in it, one text or a list; a file field takes `{ name, mimeType, buffer }` or a path.
 */
export async function fill(page, values) {
  for (const [label, value] of Object.entries(values)) {
    const field = await labelled(page, label);
    const kind = await field.evaluate((element) => (element.localName === 'input' ? element.type : element.localName));
    if (kind === 'fieldset' || kind === 'div') {
      for (const choice of [value].flat()) await (await labelled(field, choice)).check({ force: true });
    } else if (kind === 'checkbox' || kind === 'radio') {
      await field.setChecked(value, { force: true });
    } else if (kind === 'select') {
      await field.selectOption([value].flat().map((label) => ({ label })));
    } else if (kind === 'file') {
      await field.setInputFiles(value);
    } else {
      await field.fill(String(value));
    }
  }
}

/** The one visible field or group of a label; "(optional)", "(required)" and a star behind it may be left out. */
async function labelled(scope, label) {
  const quoted = label.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  const loose = new RegExp(`^\\s*${quoted}\\s*(\\*|\\((optional|required)\\)|optional|required)?\\s*$`);
  const asField = (text, options) => scope.getByLabel(text, options).filter({ visible: true });
  const asGroup = (text, options) => scope.getByRole('group', { name: text, ...options });
  const asRadios = (text, options) => scope.getByRole('radiogroup', { name: text, ...options });
  for (const text of [label, loose]) {
    for (const find of [asField, asGroup, asRadios]) {
      const found = find(text, { exact: typeof text === 'string' });
      const count = await found.count();
      assert.ok(count < 2, `${count} fields are labelled "${label}"`);
      if (count === 1) return found;
    }
  }
  const labels = await scope.locator('label, legend').allInnerTexts();
  throw new Error(`no visible field is labelled "${label}"; there are: ${labels.map((one) => one.trim()).join(' | ') || 'none'}`);
}

/**
 * Expects the page to say exactly these errors, in this order: each is a link in `.error-summary` that moves the focus to
 * its field, and the field is marked as invalid and described by that text.
 */
export async function expectErrors(page, messages) {
  const summary = page.locator('.error-summary');
  assert.equal(await summary.filter({ visible: true }).count(), 1, 'one visible .error-summary');
  assert.ok((await summary.getByRole('heading').count()) > 0, 'the error summary has a heading');
  const links = summary.getByRole('link');
  const texts = (await links.allInnerTexts()).map((text) => text.trim());
  assert.deepEqual(texts, messages);
  for (const [n, message] of messages.entries()) {
    const link = links.nth(n);
    const href = (await link.getAttribute('href')) ?? '';
    assert.match(href, /^#./, `"${message}" leads to a field of this page`);
    await link.focus();
    await page.keyboard.press('Enter');
    const field = await page.evaluate(about, href.slice(1));
    assert.ok(field.exists, `"${message}" leads to #${href.slice(1)}, which is not there`);
    assert.ok(field.focused, `"${message}" moves the focus to its field ${href}; it is at ${field.at}`);
    assert.ok(field.invalid, `the field of "${message}" has aria-invalid="true", or its group`);
    assert.ok(field.description.includes(message), `aria-describedby of ${href} says "${message}": ${JSON.stringify(field.description)}`);
  }
}

/** Run in the page: what is said of a field. A choice of several may be described as a group. */
function about(id) {
  const field = document.getElementById(id);
  if (!field) return { exists: false };
  const active = document.activeElement;
  const isChoice = ['radio', 'checkbox'].includes(active?.type);
  const group = isChoice || field.localName === 'fieldset' ? active?.closest('fieldset, [role=group], [role=radiogroup]') : null;
  const both = [active, group].filter(Boolean);
  const words = (element) =>
    (element.getAttribute('aria-describedby') ?? '')
      .split(/\s+/)
      .map((one) => document.getElementById(one)?.innerText ?? '')
      .join(' ');
  return {
    exists: true,
    focused: active === field || (active !== document.body && field.contains(active)),
    at: active ? `<${active.localName} id="${active.id}">` : 'nothing',
    invalid: both.some((element) => element.getAttribute('aria-invalid') === 'true'),
    description: both.map(words).join(' ').replace(/\s+/g, ' ').trim(),
  };
}
