// The page at `/`.

import assert from 'node:assert/strict';

import { check, start, visit } from './support.mjs';

const world = await start({ mailbox: false });

world.test('the landing page says what this is and where its parts are', async (page) => {
  await visit(page, '/');

  await check(page, 'landing');
  const text = await page.getByRole('main').innerText();
  assert.ok(text.includes(world.portal.endpoint), 'it names the SOAP service');
});

world.test('the landing page reads the same on a phone without JavaScript', { phone: true, script: false }, async (page) => {
  await visit(page, '/');

  assert.equal(await page.getByRole('heading', { level: 1 }).innerText(), await page.title());
});
