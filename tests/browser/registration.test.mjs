// Registration for data exchange, as a clinic, a clinic with a Sending Facility, and a Sending Facility.

import assert from 'node:assert/strict';

import { registration } from './answers.mjs';
import { check, expectErrors, fill, start, submit, visit } from './support.mjs';

const world = await start();

/** Answers page after page up to the review; `look` checks each page. */
async function fillIn(page, answers, look) {
  await visit(page, '/register');
  if (look) await check(page, 'register-start');
  await submit(page, 'Start');
  for (let pages = 0; pages < 20; pages += 1) {
    const heading = (await page.getByRole('heading', { level: 1 }).innerText()).split('\n').pop().trim();
    if (heading === 'Check your answers') return;
    const known = answers[heading];
    assert.ok(known, `no answers to ${heading}`);
    if (look) await check(page, `register-${new URL(page.url()).pathname.split('/').pop()}`);
    await fill(page, Object.fromEntries(Object.entries(known).filter(([, value]) => value !== undefined)));
    await submit(page, 'Continue');
  }
  assert.fail('the registration does not end');
}

/** Sends the registration off and confirms the address; gives the text of the page. */
async function confirm(page, address, look) {
  if (look) await check(page, 'register-review');
  await submit(page, 'Send the registration');
  if (look) await check(page, 'register-sent');
  await visit(page, (await world.mailTo(address, /Confirm your e-mail/)).link('/verify/'));
  if (look) await check(page, 'verify');
  await submit(page, 'Confirm and register the Site');
  if (look) await check(page, 'registered');
  return page.getByRole('main').innerText();
}

world.test('a clinic registers, on every page', { seconds: 240 }, async (page) => {
  const answers = registration({ name: 'Larkspur Pediatrics', host: 'larkspur.example', type: 'Our EHR sends directly to the Gateway' });
  await fillIn(page, answers, true);
  const told = await confirm(page, 'ana@larkspur.example', true);

  assert.match(told, /DE-\d{6}/);
  assert.match(told, /CAIRBA/);
  const other = await world.mailTo('ben@larkspur.example', /is registered/);
  assert.match(other.text, /DE-\d{6}/);
});

world.test('an excluded county stops a registration with the way to go', async (page) => {
  await visit(page, '/register');
  await submit(page, 'Start');
  await fill(page, { 'Type of Site': 'Our EHR sends directly to the Gateway' });
  await submit(page, 'Continue');
  await fill(page, { 'ZIP code of the Site': '95202', County: 'San Joaquin' });
  await submit(page, 'Continue');

  await expectErrors(page, [
    'San Joaquin County does not register at this Gateway. Go to: San Joaquin regional registry (RIDE / Healthy Futures); enroll through the local CAIR representative',
  ]);
  await check(page, 'register-excluded');
});

world.test('a registration is saved and gone on with elsewhere', async (page) => {
  await visit(page, '/register');
  await submit(page, 'Start');
  await fill(page, { 'Type of Site': 'We are a Sending Facility' });
  await submit(page, 'Continue');
  await page.getByRole('link', { name: 'Save and come back later' }).click();
  await check(page, 'register-save');
  await fill(page, { 'Your e-mail address': 'ana@saved.example' });
  await submit(page, 'Send the link');
  await check(page, 'register-saved');

  const other = await world.page({ phone: true });
  await visit(other, (await world.mailTo('ana@saved.example', /saved/)).link('/resume/'));
  await check(other, 'resume');
  await submit(other, 'Continue');

  await check(other, 'register-resumed');
  assert.match(await other.getByRole('main').innerText(), /Answered/);
  await other.context().close();
});
