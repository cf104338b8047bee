// A test message fails, its sender is told by a letter, and chooses which letters come.

import assert from 'node:assert/strict';

import { check, fill, follow, start, submit, visit, vxu } from './support.mjs';
import { fact, heading, registered, told } from './walks.mjs';

const world = await start();

world.test('the first test message is told by email, and emails are chosen', { seconds: 240 }, async () => {
  const { page, site, email } = await registered(world, { name: 'Willow Clinic', host: 'willow.example' });
  const home = page.url();

  await follow(page, 'Willow Clinic');
  const [username, facility] = [await fact(page, 'Username'), await fact(page, 'facilityID')];
  await follow(page, /^Show (the|a new) password/);
  await submit(page, /^Show (the|a new) password/);
  const password = await fact(page, 'Password');
  // Without a date of birth.
  const hl7 = vxu({ site, region: 'CAIRBA' }).replace(/^(PID(?:\|[^|\r]*){6}\|)[^|\r]*/m, '$1');
  const { ack } = await world.soapSubmit({ username, password, facility, hl7 });
  assert.equal(ack.code, 'AE');
  const letter = await world.mailTo(email, /The first test message of Willow Clinic/);
  assert.match(letter.text, /PID-7: error 101/);
  assert.match(letter.text, /How to fix it: Send PID-7\./);
  assert.match(letter.text, /\/rules\/USE-R/);
  assert.doesNotMatch(letter.text, /Ibarra/);
  assert.match(letter.link(`${new URL(home).pathname}/messages/`), /messages/);

  await visit(page, letter.link('/account/letters'));
  assert.equal(await heading(page), 'Emails about your Sites');
  assert.match(await told(page), /as usual for your role/);
  await check(page, 'account-letters');
  await follow(page, 'Willow Clinic');
  assert.equal(await heading(page), 'Emails about Willow Clinic');
  await check(page, 'account-letters-site');
  await fill(page, { 'Test messages': 'Once a day', 'Production messages': 'No emails' });
  await submit(page, 'Save');
  assert.match(await told(page), /as you chose/);
  await check(page, 'account-letters-chosen');
});
