// The pages for everybody.

import assert from 'node:assert/strict';

import { check, expectErrors, fill, start, submit, visit } from './support.mjs';

const world = await start({ mailbox: false });

world.test('the landing page leads to the right place by a ZIP code', async (page) => {
  await visit(page, '/');
  await check(page, 'landing');

  await fill(page, { 'Start with the ZIP code of your Site': '94501' });
  await submit(page, 'Check');

  await check(page, 'where-alameda');
  assert.match(await page.getByRole('main').innerText(), /Bay Area[\s\S]*Read-Only/);
});

world.test('an excluded county is told where to go', async (page) => {
  await visit(page, '/where');
  await check(page, 'where');
  await fill(page, { 'Or its county': 'San Diego' });
  await submit(page, 'Check');

  await check(page, 'where-excluded');
  assert.match(await page.getByRole('main').innerText(), /Where to go instead/);
});

world.test('a wrong ZIP code is told on the same page', async (page) => {
  await visit(page, '/where?zip=10001');

  await expectErrors(page, ['Enter a ZIP code in California: they begin with 90 to 96']);
  await check(page, 'where-error');
});

world.test('EHR engineers find the addresses, and everybody the agreement', async (page) => {
  await visit(page, '/developers');
  await check(page, 'developers');
  assert.ok((await page.getByRole('main').innerText()).includes(world.portal.endpoint), 'it names the SOAP service');

  await visit(page, '/agreement');
  await check(page, 'agreement');
  await visit(page, '/nowhere', { status: 404 });
  await check(page, 'not-found');
});

world.test('the landing page reads the same on a phone without JavaScript', { phone: true, script: false }, async (page) => {
  await visit(page, '/');

  assert.match(await page.title(), new RegExp(await page.getByRole('heading', { level: 1 }).innerText()));
});
