// A registry does not answer: an operator sees it, asks it, pauses it, plans a window, looks at what waits and sends it again.

import assert from 'node:assert/strict';
import fs from 'node:fs';

import { check, expectErrors, fill, follow, start, submit, visit, vxu } from './support.mjs';
import { fact, staff, told } from './walks.mjs';

const world = await start({
  config: {
    gateway: { breaker_failures: 1, breaker_cool_down_seconds: 300, retry_first_seconds: 600, retry_longest_seconds: 600 },
    egress: { allow: ['127.0.0.1/32'] },
    // Nobody listens there. The password is any text that there is.
    'regions.CAIRBA.test': { url: 'https://127.0.0.1:9/IISService', username: 'GW', facility_id: 'GW', password_env: 'PATH' },
  },
});

const REGISTRY = '/staff/delivery/CAIRBA/test';

let page;
let sent;

world.test('what does not answer is seen, asked and paused', { seconds: 240 }, async () => {
  const { site, issued } = await world.portal.site();
  const sender = { username: issued.username, password: issued.password, facility: issued.facility_id };
  sent = vxu({ site: site.id, region: 'CAIRBA' });
  ({ page } = await staff(world, 'operator@cdph.example', 'administrator'));
  await visit(page, '/staff');
  await follow(page, 'Delivery');
  await check(page, 'delivery-well');
  await world.soapSubmit({ ...sender, hl7: sent });

  await page.reload();
  assert.match(await told(page), /1 of 14 registries needs a look[^]*Not answering/);
  await check(page, 'delivery');
  await follow(page, 'Bay Area, test registry');
  assert.match(await fact(page, 'Waiting'), /1 message, the oldest for/);
  await submit(page, 'Test the connection');
  assert.match(await fact(page, 'The last test'), /It does not answer: no connection: it was refused/);
  await submit(page, 'Do it');
  await expectErrors(page, ['Choose what to do', 'Enter why']);
  await check(page, 'delivery-registry-error');
  await fill(page, { 'Choose one': 'Pause', 'Why?': 'Their people were called' });
  await submit(page, 'Do it');
  assert.match(await fact(page, 'Decided by'), /Stella Amt/);
});

world.test('a maintenance window is planned and taken back', { seconds: 120 }, async () => {
  await submit(page, 'Plan it');
  await expectErrors(page, ['Enter the day and the time of the end, such as 2026-12-31T16:00', 'Enter why']);
  const day = new Date(Date.now() + 2 * 86_400_000).toISOString().slice(0, 10);
  await fill(page, { 'Begins (Pacific Time)': `${day}T06:00`, 'Ends (Pacific Time)': `${day}T08:00`, 'Reason for the window': 'Their upgrade' });
  await submit(page, 'Plan it');
  assert.match(await told(page), /The maintenance window is planned[^]*6:00 a\.m\. PT to [^]*8:00 a\.m\. PT/);
  await check(page, 'delivery-registry');
  await submit(page, /^Take it back/);
  assert.match(await told(page), /None is planned/);
});

world.test('what waits is given up, looked at and sent again', { seconds: 120 }, async () => {
  await follow(page, '1 message');
  await check(page, 'delivery-waiting');
  await page.locator('table.data tbody th a').click();
  await fill(page, { 'Why it is given up': 'To try it out' });
  await submit(page, 'Give the message up');
  assert.match(await told(page), /The message is given up/);
  await check(page, 'delivery-message');
  await visit(page, `${REGISTRY}/messages?site=x`);
  await expectErrors(page, ['Enter a Site ID such as DE-000001']);
  await fill(page, { State: 'Given up', 'Site ID': '' });
  await submit(page, 'Show');
  await check(page, 'delivery-given-up');
  await follow(page, 'Look at what would be sent');
  await check(page, 'delivery-replay');
  await submit(page, 'Send 1 message again');
  await expectErrors(page, ['Enter why']);
  await fill(page, { 'Why are they sent again?': 'They are back' });
  await submit(page, 'Send 1 message again');
  assert.match(await told(page), /1 message is in the queue again/);
  await check(page, 'delivery-sent');
  await follow(page, 'See what waits');
  assert.equal(await page.locator('table.data tbody tr').count(), 1);
});

world.test('settings are drafted, tested and put into use', { seconds: 240 }, async () => {
  await visit(page, REGISTRY);
  await follow(page, 'Settings: address, account, certificates');
  assert.match(await fact(page, 'From'), /From the configuration file/);
  await check(page, 'delivery-settings-file');
  await follow(page, 'Write a draft');
  await check(page, 'delivery-draft');
  // The service speaks the contract of a registry itself.
  await fill(page, { Address: 'http://127.0.0.1/', Password: 'a-password-of-the-test' });
  await submit(page, 'Keep the draft');
  await expectErrors(page, ['Address: must begin with https://']);
  await check(page, 'delivery-draft-error');
  await fill(page, { Address: world.portal.endpoint.replace('localhost', '127.0.0.1'), Password: 'a-password-of-the-test' });
  await submit(page, 'Keep the draft');
  await submit(page, 'Test the draft');
  assert.match(await fact(page, 'Test'), /Failed\s+TLS: its certificate is not of an authority that we trust/);
  await check(page, 'delivery-settings-failed');
  await follow(page, 'Change the draft');
  await fill(page, { 'Authority of its certificate': fs.readFileSync(world.portal.ca, 'utf8') });
  await submit(page, 'Keep the draft');
  await submit(page, 'Test the draft');
  assert.match(await fact(page, 'Test'), /Passed/);
  await submit(page, 'Put the draft into use');
  await expectErrors(page, ['Enter why']);
  await check(page, 'delivery-settings-passed');
  await fill(page, { 'Why is it put into use?': 'They moved' });
  await submit(page, 'Put the draft into use');
  assert.match(await fact(page, 'From'), /Version 1 of these pages/);

  await follow(page, 'Make a draft of version 1');
  await fill(page, { 'Seconds of one attempt': '20', Password: 'another-password' });
  await submit(page, 'Keep the draft');
  await check(page, 'delivery-settings');
  await submit(page, 'Compare');
  assert.match(await told(page), /Our password\s+Not shown\s+Changed/);
  await check(page, 'delivery-settings-compared');
});
