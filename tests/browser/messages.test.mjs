// What the people of a Site see of its way and of its messages, and what an onboarding specialist sees.

import assert from 'node:assert/strict';

import { check, expectErrors, fill, follow, start, submit, visit, vxu } from './support.mjs';
import { fact, heading, registered, staff, told } from './walks.mjs';

const world = await start();

/** The page of the representative, the Site, and the address of the organization. */
let page;
let site;
let home;
const bad = (text) => text.replace(/\|\d{8}\|F\|/, '||F|');

world.test('the page of a Site tells what comes next, and its calls can be copied', { seconds: 240 }, async () => {
  ({ page, site } = await registered(world, { name: 'Larkspur', host: 'larkspur.example' }));
  home = new URL(page.url()).pathname;
  await follow(page, 'Larkspur');
  assert.match(await told(page), /Send the first test message[^]*Who does it: You, the Site/);
  await check(page, 'site-registered');
  await follow(page, 'Calls to copy');
  await check(page, 'site-calls');
  const text = await told(page);
  assert.ok(text.includes(`|${site}\n`) && text.includes('submitSingleMessage'));
});

world.test('a message that failed says what, where and how to mend it', { seconds: 240 }, async () => {
  await visit(page, `${home}/messages`);
  await check(page, 'messages-none');
  await visit(page, `${home}/sites/${site}`);
  const [username, facility] = [await fact(page, 'Username'), await fact(page, 'facilityID')];
  await follow(page, /^Show the password/);
  await submit(page, /^Show the password/);
  const password = await fact(page, 'Password');
  const send = async (hl7) => world.soapSubmit({ username, password, facility, hl7 });
  const text = vxu({ site, region: 'CAIRBA' });
  assert.notEqual((await send(bad(text))).ack.code, 'AA');
  for (let number = 0; number < 3; number += 1) assert.equal((await send(vxu({ site, region: 'CAIRBA' }))).ack.code, 'AA');

  await visit(page, `${home}/sites/${site}`);
  for (let tries = 0; tries < 40 && !/Mend what/.test(await told(page)); tries += 1) {
    await new Promise((resolve) => setTimeout(resolve, 500));
    await page.reload();
  }
  await check(page, 'site-testing');
  await follow(page, 'All messages of this Site');
  await check(page, 'messages');
  await fill(page, { State: 'Refused' });
  await submit(page, 'Search');
  assert.equal(await page.locator('table.data tbody tr').count(), 1);
  await fill(page, { 'Name of the search': 'What failed' });
  await submit(page, 'Save the search');
  assert.match(await told(page), /The search is saved\./);
  await check(page, 'messages-search');
  await visit(page, `${home}/messages?id=1`);
  await expectErrors(page, ['Enter our ID with its 13 letters and digits, like 0CN824C3E0200']);
  await check(page, 'messages-error');
  await follow(page, 'What failed');
  await page.locator('table.data tbody a').click();
  assert.match(await heading(page), /^Message BROWSER-/);
  assert.doesNotMatch(await told(page), /PID\|/);
  await check(page, 'message');
  await submit(page, 'Show the text');
  assert.match(await told(page), /PID\|1\|/);
  assert.ok((await page.locator('mark').count()) > 0);
  await check(page, 'message-text');
});

world.test('an onboarding specialist sees the texts of tests; an administrator sends again', { seconds: 240 }, async () => {
  const desk = await staff(world, 'onboarding@cdph.example', 'onboarding');
  await visit(desk.page, '/staff/messages?state=delivered');
  await check(desk.page, 'staff-messages');
  await desk.page.locator('table.data tbody a').first().click();
  await submit(desk.page, 'Show the text');
  await check(desk.page, 'staff-message-text');
  await desk.page.context().close();

  const admin = await staff(world, 'admin@cdph.example', 'administrator');
  await visit(admin.page, '/staff/messages?state=delivered');
  await admin.page.locator('table.data tbody a').first().click();
  await submit(admin.page, 'Send the message again');
  await expectErrors(admin.page, ['Enter why it is sent again']);
  await check(admin.page, 'staff-message-error');
  await fill(admin.page, { Reason: 'the region asked for it' });
  await submit(admin.page, 'Send the message again');
  assert.match(await told(admin.page), /on its way to the registry again/);
  await check(admin.page, 'staff-message-again');
  await visit(admin.page, `${new URL(admin.page.url()).pathname}/replace`);
  await check(admin.page, 'staff-message-replace');
});
