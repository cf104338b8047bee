// Registration for data exchange: a clinic, a Sending Facility, and a clinic that it sends for, each up to a message that is
// acknowledged.

import assert from 'node:assert/strict';

import { registration } from './answers.mjs';
import { check, expectErrors, fill, follow, start, submit, visit, vxu } from './support.mjs';
import { fact, fillIn, look, setPassword, setUpApp, signIn, told } from './walks.mjs';

const world = await start();

/** Sends the registration off and confirms the address; gives the Site ID. */
async function confirm(page, address) {
  await look(page, 'register-review');
  await submit(page, 'Send the registration');
  await look(page, 'register-sent');
  await visit(page, (await world.mailTo(address, /Confirm your email/)).link('/verify/'));
  await look(page, 'verify');
  await submit(page, 'Confirm and register the Site');
  return fact(page, 'Site ID \\(CAIR ID\\)');
}

/** From the Site's page to the password of its test credential. */
async function showPassword(page) {
  await follow(page, /^Show the password/);
  await look(page, 'credential-password');
  await submit(page, 'Show the password');
  await look(page, 'credential-secret');
  const shown = { username: await fact(page, 'Username'), password: await fact(page, 'Password'), facility: await fact(page, 'facilityID') };
  await follow(page, 'I have kept it');
  return shown;
}

/** The Sending Facility, when it has registered. */
let facility;

world.test('a clinic registers, and its first message is acknowledged', { seconds: 300 }, async (page) => {
  await fillIn(page, '/register', registration({ name: 'Larkspur Pediatrics', host: 'larkspur.example', type: 'Our EHR sends directly to the Gateway' }));
  const site = await confirm(page, 'ana@larkspur.example');
  await check(page, 'registered');
  assert.match(site, /^DE-\d{6}$/);
  assert.match(await told(page), /CAIRBA/);
  const other = await world.mailTo('ben@larkspur.example', /is registered/);
  assert.ok(other.text.includes(site), other.text);

  await follow(page, 'Set your password');
  await setPassword(page, { looks: true });
  await signIn(page, 'ana@larkspur.example');
  await check(page, 'account');
  await follow(page, 'Larkspur Pediatrics Group');
  await check(page, 'organization');
  await follow(page, 'Larkspur Pediatrics');
  assert.doesNotMatch(await told(page), /Waits for CDPH/, 'what was answered stands');
  await check(page, 'organization-site');
  const sender = await showPassword(page);
  const { ack } = await world.soapSubmit({ ...sender, hl7: vxu({ site, region: 'CAIRBA' }) });
  assert.equal(ack.code, 'AA', ack.text);

  await page.reload();
  assert.match(await fact(page, 'State'), /In use/);
  assert.ok(!(await told(page)).includes(sender.password), 'the password is shown once');
});

world.test('a Sending Facility registers, and its operator needs a second factor', { seconds: 240 }, async (page) => {
  await fillIn(page, '/register', registration({ name: 'Sender Valley HIE', host: 'valley.example', type: 'We are a Sending Facility' }));
  const id = await confirm(page, 'ana@valley.example');
  assert.match(id, /^SF-\d{6}$/);

  await visit(page, (await world.mailTo('ben@valley.example', /is registered/)).link('/set-password/'));
  await setPassword(page);
  await signIn(page, 'ben@valley.example');
  const { app } = await setUpApp(page, { looks: true });
  await follow(page, 'Sender Valley HIE Group');
  await follow(page, 'Sender Valley HIE');
  await check(page, 'organization-facility');
  const sender = await showPassword(page);
  facility = { id, app, sender };
});

world.test('a clinic registers through the facility, whose messages for it count when it has agreed', { seconds: 240 }, async (page) => {
  const type = 'We send through a Sending Facility';
  await fillIn(page, '/register', registration({ name: 'Redwood Clinic', host: 'redwood.example', type, facility: 'sender valley' }));
  const site = await confirm(page, 'ana@redwood.example');
  await check(page, 'registered-through-facility');
  const send = () => world.soapSubmit({ ...facility.sender, hl7: vxu({ site, facility: facility.id, region: 'CAIRBA' }) });
  const refused = await send();
  assert.notEqual(refused.ack?.code, 'AA', 'before the facility has agreed');

  const operator = await world.page();
  await signIn(operator, 'ben@valley.example', { app: facility.app });
  await visit(operator, (await world.mailTo('ben@valley.example', /asks you to send for it/)).link());
  await follow(operator, 'Sender Valley HIE Group');
  await follow(operator, 'Who sends for whom');
  await check(operator, 'organization-links');
  await submit(operator, /^Agree/);
  await check(operator, 'organization-link-agreed');

  const { ack } = await send();
  assert.equal(ack?.code, 'AA', ack?.text);
  await visit(page, (await world.mailTo('ana@redwood.example', /is registered/)).link('/set-password/'));
  await setPassword(page);
  await signIn(page, 'ana@redwood.example');
  await follow(page, 'Redwood Clinic Group');
  await follow(page, 'Redwood Clinic');
  await check(page, 'organization-site-through-facility');
  assert.match(await told(page), /Sending Facility\s[\s\S]*SF-\d{6}\s+Active/);
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
  await fill(page, { 'Your email address': 'ana@saved.example' });
  await submit(page, 'Send the link');
  await check(page, 'register-saved');

  const other = await world.page({ phone: true });
  await visit(other, (await world.mailTo('ana@saved.example', /saved/)).link('/resume/'));
  await check(other, 'resume');
  await submit(other, 'Continue');

  await check(other, 'register-resumed');
  assert.match(await told(other), /Answered/);
  await other.context().close();
});

world.test('the vendor answers the questions about the EHR, and sees nothing else', { seconds: 240 }, async (page) => {
  const answers = registration({ name: 'Shared Clinic', host: 'shared.example', type: 'Our EHR sends directly to the Gateway' });
  await visit(page, '/register');
  await submit(page, 'Start');
  for (const question of ['How will your Site send its data?', 'Which county is the Site in?', 'Your organization and Site']) {
    await fill(page, answers[question]);
    await submit(page, 'Continue');
  }
  await visit(page, '/register/ehr');
  await follow(page, 'Ask somebody else to answer this');
  await submit(page, 'Send the link');
  await expectErrors(page, ['Enter your name', 'Enter their email address']);
  await check(page, 'register-invite-error');
  await fill(page, { 'Your name': 'Ana Muster', 'Their email address': 'cleo@vendor.example' });
  await submit(page, 'Send the link');
  assert.match(await told(page), /We have sent the link\./);

  const vendor = await world.page();
  const letter = await world.mailTo('cleo@vendor.example', 'Please answer a few questions about an EHR system');
  assert.match(letter.text, /Ana Muster is registering the Site "Shared Clinic"/);
  await visit(vendor, letter.link('/help-with/'));
  await check(vendor, 'help-with');
  await submit(vendor, 'See the questions');
  await submit(vendor, 'Send the answers');
  await check(vendor, 'help-with-error');
  const { Position: _, ...contact } = answers['EHR support contact'];
  await fill(vendor, { ...answers['Your EHR system'], ...contact });
  await submit(vendor, 'Send the answers');
  assert.match(await told(vendor), /Thank you\. We have your answers/);
  await check(vendor, 'help-with-done');
  await visit(vendor, '/register/site');
  assert.equal(new URL(vendor.url()).pathname, '/register', 'the draft itself is not open to the vendor');
  await vendor.context().close();

  await visit(page, '/register');
  const parts = page.locator('ol.steps');
  assert.match(await parts.innerText(), /Your EHR system\s+Answered[^]*EHR support contact\s+Answered/);
});
