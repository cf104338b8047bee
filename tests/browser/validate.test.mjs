// A message is checked without an account, and rules are looked up.

import assert from 'node:assert/strict';

import { check, expectErrors, fill, start, submit, visit } from './support.mjs';

const world = await start({ mailbox: false });

for (const phone of [false, true]) {
  const name = (page) => (phone ? `${page}-phone` : page);
  world.test(`a message with mistakes is shown with what was found (${phone ? 'phone' : 'desk'})`, { phone, script: !phone }, async (page) => {
    await visit(page, '/validate');
    await check(page, name('validate'));
    await visit(page, '/validate?sample=mistakes');
    await submit(page, 'Check the message');

    await check(page, name('validate-mistakes'));
    const text = await page.getByRole('main').innerText();
    assert.match(text, /would not accept this message \(AE\)/);
    assert.match(text, /To fix it/);
    const marks = await page.locator('.hl7 mark').count();
    assert.ok(marks > 3, `the places are marked: ${marks}`);
    await page.locator('.hl7 a').first().click();
    assert.match(page.url(), /#finding-\d+$/);
  });
}

world.test('a good message and a query', async (page) => {
  await visit(page, '/validate?sample=good');
  await fill(page, { 'Region that it would go to': 'Bay Area' });
  await submit(page, 'Check the message');
  await check(page, 'validate-good');

  await visit(page, '/validate?sample=query');
  await submit(page, 'Check the message');
  await check(page, 'validate-query');
});

world.test('what is no message is told', async (page) => {
  await visit(page, '/validate');
  await fill(page, { Message: 'Dear colleague' });
  await submit(page, 'Check the message');

  await expectErrors(page, ['There is no HL7 message in it: no line begins with MSH (in capitals)']);
  await check(page, 'validate-error');
});

world.test('rules are searched and read', async (page) => {
  await visit(page, '/rules');
  await check(page, 'rules');
  await visit(page, '/rules?q=birth');
  await check(page, 'rules-found');
  await visit(page, '/rules/DQ-BIRTH-OLD');
  await check(page, 'rule');
  await visit(page, '/rules?q=no-such-thing');
  await check(page, 'rules-none');
});

world.test('codes are looked up', async (page) => {
  await visit(page, '/codes');
  await check(page, 'codes');
  await visit(page, '/codes?q=no-such-thing');
  await check(page, 'codes-none');
  await visit(page, '/codes/CVX?page=2');
  await check(page, 'code-table');
  await visit(page, '/codes/HL70001');
  await check(page, 'code-table-short');
  await visit(page, '/codes/CVX?q=zzz');
  await check(page, 'code-table-none');
});
