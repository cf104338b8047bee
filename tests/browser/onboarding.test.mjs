// A Site comes into production by two of the staff; its people take a statement away, which anybody can check.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';

import { check, expectErrors, fill, follow, start, submit, visit, vxu } from './support.mjs';
import { fact, heading, registered, staff, told } from './walks.mjs';
import { folder } from './support/work.mjs';

const world = await start({
  config: {
    onboarding: {
      accepted_percent: 0, clean_run: 1, scenarios: [], complete_percent: 0, identity_percent: 0,
    },
  },
});

let clinic;
let one;
let other;

world.test('a Site whose message is good waits for the review on the board', { seconds: 240 }, async () => {
  clinic = await registered(world, { name: 'Larkspur', host: 'larkspur.example' });
  clinic.home = clinic.page.url();
  await follow(clinic.page, /^Larkspur$/);
  clinic.at = clinic.page.url();
  await follow(clinic.page, /^Show the password/);
  await submit(clinic.page, 'Show the password');
  const sender = { username: await fact(clinic.page, 'Username'), password: await fact(clinic.page, 'Password'), facility: clinic.site };
  const sent = await world.soapSubmit({ ...sender, hl7: vxu({ site: clinic.site, region: 'CAIRBA' }) });
  assert.equal(sent.ack?.code, 'AA');

  one = await staff(world, 'one@cdph.example', 'onboarding', { region: 'CAIRBA' });
  await visit(one.page, '/staff');
  await follow(one.page, 'Onboarding');
  for (let tries = 0; tries < 20 && !/Test messages are good/.test(await one.page.locator('table').innerText()); tries += 1) {
    await new Promise((resolve) => setTimeout(resolve, 500));
    await one.page.reload();
  }
  await check(one.page, 'onboarding-board');
  await fill(one.page, { Stage: 'In production' });
  await submit(one.page, 'Show');
  await check(one.page, 'onboarding-board-none');
  await fill(one.page, { Stage: 'Test messages are good', Region: 'Bay Area', 'Name or Site ID': 'lark' });
  await submit(one.page, 'Show');
  assert.match(await one.page.locator('table').innerText(), /CDPH begins the review/);
  await follow(one.page, 'Larkspur');
});

world.test('the review: checklist, proposal with its reason, and nobody approves their own', { seconds: 240 }, async () => {
  const { page } = one;
  await check(page, 'onboarding-site-validated');
  await submit(page, 'Begin the review');
  assert.match(await told(page), /The review has begun/);
  await submit(page, 'Confirm');
  await expectErrors(page, ['Choose an item of the checklist']);
  await check(page, 'onboarding-site-error');
  const items = await page.locator('fieldset').filter({ hasText: 'What do you confirm?' }).locator('label').allInnerTexts();
  for (const item of items) {
    await fill(page, { 'What do you confirm?': item.trim(), 'What did you see?': 'Twenty messages, compared by telephone.' });
    await submit(page, 'Confirm');
    assert.match(await told(page), /The item is confirmed/);
  }
  await submit(page, 'Propose for production');
  await expectErrors(page, ['Write why it should go on although not everything that is asked is met']);
  await fill(page, { 'Why, although not everything is met': 'A small practice: 100 doses take months.' });
  await submit(page, 'Propose for production');
  assert.match(await told(page), /somebody else has to approve it/i);
  await fill(page, { 'A note for other staff': 'They are at the telephone until five.' });
  await submit(page, 'Save the note');
  await check(page, 'onboarding-site-proposed');
  assert.equal(await page.getByRole('button', { name: 'Approve for production' }).count(), 0);
});

world.test('the second approves; the Site is told and finds its credential', { seconds: 240 }, async () => {
  other = await staff(world, 'other@cdph.example', 'onboarding');
  await visit(other.page, `/staff/sites/${clinic.site}`);
  await submit(other.page, 'Approve for production');
  assert.match(await told(other.page), /The Site is approved/);
  await check(other.page, 'onboarding-site-production');
  await submit(other.page, 'Save this step');
  await expectErrors(other.page, ['Choose what to do with the Site']);

  const letter = await world.mailTo('ana@larkspur.example', /approved for production/);
  assert.match(letter.text, /No email has its password/);
  await visit(clinic.page, letter.link('/organization/'));
  assert.match(await told(clinic.page), new RegExp(`${clinic.site}-P`));
});

world.test('a statement is issued and checked by anybody', { seconds: 240 }, async (page) => {
  await visit(clinic.page, clinic.at);
  await follow(clinic.page, 'Get a dated statement for your attestation');
  await check(clinic.page, 'statement-preview');
  assert.match(await fact(clinic.page, 'Active engagement'), /Option 3: production/);
  await submit(clinic.page, 'Issue it to print');
  const code = await clinic.page.locator('#code').innerText();
  await check(clinic.page, 'statement-issued');
  await clinic.page.emulateMedia({ media: 'print' });
  await clinic.page.screenshot({ path: path.join(folder('shots'), 'statement-print.png'), fullPage: true });
  assert.equal(await clinic.page.locator('.no-print').first().isVisible(), false);
  await clinic.page.emulateMedia({ media: null });
  await follow(clinic.page, 'Back');
  assert.match(await told(clinic.page), /Issued so far/);
  const [download] = await Promise.all([
    clinic.page.waitForEvent('download'),
    clinic.page.getByRole('button', { name: 'Issue it as PDF' }).click(),
  ]);
  const file = path.join(folder('shots'), 'statement.pdf');
  await download.saveAs(file);
  assert.equal(download.suggestedFilename(), `statement-${clinic.site}-${new Date().toLocaleString('en-US', { timeZone: 'America/Los_Angeles', year: 'numeric' })}.pdf`);
  assert.equal(fs.readFileSync(file).subarray(0, 5).toString(), '%PDF-');

  await visit(page, '/verify-statement');
  await check(page, 'verify-statement');
  await fill(page, { 'Code of the statement': '00000-00000-00000-00000' });
  await submit(page, 'Check');
  await expectErrors(page, ['We issued no statement with this code. Look at every letter and digit, and try again']);
  await check(page, 'verify-statement-unknown');
  await fill(page, { 'Code of the statement': code.toUpperCase() });
  await submit(page, 'Check');
  assert.equal(await heading(page), 'We issued this statement');
  assert.match(await told(page), /still so today/);
  await check(page, 'verify-statement-found');
});

world.test('its people close the Site', { seconds: 120 }, async () => {
  await visit(clinic.page, clinic.at);
  await follow(clinic.page, 'Close this Site');
  await check(clinic.page, 'site-close');
  await submit(clinic.page, 'Close the Site');
  await expectErrors(clinic.page, ['Choose for how long']);
  await fill(clinic.page, { 'For how long?': 'For now', 'Why?': 'We change our EHR.' });
  await submit(clinic.page, 'Close the Site');
  assert.match(await told(clinic.page), /Your changes are saved/);
  await visit(other.page, '/staff/onboarding?stage=inactive');
  assert.match(await other.page.locator('table').innerText(), /Larkspur/);
});
