// What a representative does for programs of a Site: keys with which they ask, webhooks by which they are told.

import assert from 'node:assert/strict';

import { check, expectErrors, fill, follow, start, submit, visit } from './support.mjs';
import { fact, heading, registered, told } from './walks.mjs';

const world = await start();

let page;
let home;

world.test('a key is made, shown once and revoked', { seconds: 240 }, async () => {
  ({ page } = await registered(world, { name: 'Bayline', host: 'bayline.example' }));
  await follow(page, 'Bayline');
  home = page.url();
  await follow(page, /^API keys/);
  await check(page, 'keys-none');
  await submit(page, 'Make the key');
  await expectErrors(page, ['Give the key a name of at most 80 characters']);
  await fill(page, { Name: 'Nightly report', 'What it may': 'See what became of messages, without their text' });
  await submit(page, 'Make the key');
  assert.match(await fact(page, 'Key'), /^izp_/);
  await check(page, 'key-shown');
  await follow(page, 'Done');
  await check(page, 'keys');
  await follow(page, /^Revoke/);
  await check(page, 'key-revoke');
  await submit(page, 'Revoke the key');
  assert.match(await told(page), /Revoked/);
});

world.test('a webhook is added, tried, paused, given another secret and removed', { seconds: 240 }, async () => {
  await visit(page, home);
  await follow(page, /^Webhooks/);
  await check(page, 'webhooks-none');
  await fill(page, { Address: 'http://hie.example/hook' });
  await submit(page, 'Add the webhook');
  await expectErrors(page, ['Enter an address that begins with https://, without a password in it']);
  await check(page, 'webhooks-error');
  await fill(page, {
    Address: 'https://localhost:1/hook?of=bayline',
    Description: 'Interface engine of the exchange',
    'It is told when': 'A registry took a message',
  });
  await submit(page, 'Add the webhook');
  assert.match(await fact(page, 'Secret'), /^whsec_/);
  await check(page, 'webhook-secret');
  await follow(page, 'Go on and try it');
  assert.match(await heading(page), /Interface engine of the exchange/);
  await check(page, 'webhook-new');

  await submit(page, 'Send a test call');
  assert.match(await told(page), /The call is on its way\./);
  const webhook = page.url().split('?')[0];
  for (let tries = 0; !/not a public one|No call was taken/.test(await told(page)); tries += 1) {
    assert.ok(tries < 40, 'the call fails');
    await page.waitForTimeout(250);
    await visit(page, webhook);
  }
  await check(page, 'webhook-failing');
  await submit(page, 'Pause');
  assert.match(await fact(page, 'State'), /Paused/);
  await check(page, 'webhook-paused');
  await submit(page, 'Resume');
  assert.match(await fact(page, 'State'), /Live/);
  await follow(page, 'Make a new secret');
  await check(page, 'webhook-new-secret');
  await submit(page, 'Make a new secret');
  assert.match(await fact(page, 'Secret'), /^whsec_/);
  await follow(page, 'Done');
  assert.match(await fact(page, 'Secret before'), /Calls are signed with it, too, until/);
  await follow(page, /Back to the webhooks/);
  await check(page, 'webhooks');
  await follow(page, 'Interface engine of the exchange');
  await follow(page, 'Remove');
  await check(page, 'webhook-remove');
  await submit(page, 'Remove the webhook');
  assert.match(await told(page), /This Site has no webhook/);
});
