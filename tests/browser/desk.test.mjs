// What else staff have: claims of registered Sites, seeing as an organization sees, letters, the audit trail.

import assert from 'node:assert/strict';

import { registration } from './answers.mjs';
import { check, expectErrors, fill, follow, start, submit, visit } from './support.mjs';
import { fillIn, heading, registered, setPassword, signIn, staff, told } from './walks.mjs';

const world = await start();

/** The desk of the registrar. */
let desk;

world.test('a Site that is registered already is claimed, not registered again', { seconds: 240 }, async (page) => {
  const clinic = await registered(world, { name: 'Found Clinic', host: 'found.example' });
  await fillIn(page, '/register', registration({ name: 'Found Clinic', host: 'late.example', type: 'Our EHR sends directly to the Gateway' }), { looks: false });
  assert.match(await told(page), /Is this Site registered already\?/);
  await check(page, 'register-review-namesake');
  await follow(page, /^this Site is mine/);
  await submit(page, 'Send me the link');
  await expectErrors(page, [
    'Enter your first name',
    'Enter your last name',
    'Enter your position at the Site',
    'Enter your telephone number',
    'Enter your email address',
    'Type the email address a second time',
    'Say why the Site is yours',
  ]);
  await check(page, 'claim-error');
  await fill(page, {
    'Your first name': 'Lea',
    'Your last name': 'Nachfolge',
    'Your position': 'Office manager',
    'Your telephone number at work': '510 555 0142',
    'Your email address': 'lea@found.example',
    'The same email address once more': 'lea@found.example',
    'Why is the Site yours?': 'Who registered it has left.',
  });
  await submit(page, 'Send me the link');
  await check(page, 'claim-sent');
  await visit(page, (await world.mailTo('lea@found.example', /Confirm your email/)).link('/claim/'));
  await check(page, 'claim-confirm');
  await submit(page, 'Confirm and send it to CDPH');
  await check(page, 'claim-arrived');

  ({ page: desk } = await staff(world, 'registrar@cdph.example', 'registrar'));
  await visit(desk, '/staff/requests');
  await follow(desk, /^Claim of Site/);
  await check(desk, 'staff-claim');
  await fill(desk, { 'Choose one': 'Approve' });
  await submit(desk, 'Save the decision');
  await world.mailTo('ana@found.example', /Another person represents Found Clinic/);
  await visit(page, (await world.mailTo('lea@found.example', /You represent Found Clinic/)).link('/set-password/'));
  await setPassword(page);
  await signIn(page, 'lea@found.example');
  await follow(page, 'Found Clinic Group');
  assert.equal(await heading(page), 'Found Clinic Group');
  await clinic.page.context().close();
});

world.test('staff see as an organization sees, and change nothing', async () => {
  await visit(desk, '/staff/organizations?search=Found');
  await follow(desk, 'Found Clinic Group');
  await submit(desk, 'See as this organization');
  assert.match(await told(desk), /Found Clinic Group/);
  await check(desk, 'see-as');
  assert.equal(await desk.getByRole('link', { name: /^Change/ }).count(), 0);
  await submit(desk, 'Back to the pages of staff');
  assert.match(new URL(desk.url()).pathname, /^\/staff/);
  await desk.context().close();
});

world.test('an administrator sees which emails left, an auditor who did what', async () => {
  const administrator = await staff(world, 'root@cdph.example', 'administrator');
  await visit(administrator.page, '/staff');
  await follow(administrator.page, 'See which emails went out');
  await check(administrator.page, 'staff-letters');
  await administrator.page.locator('table.data a').first().click();
  await check(administrator.page, 'staff-letter');
  await administrator.page.context().close();

  const auditor = await staff(world, 'auditor@cdph.example', 'auditor');
  await visit(auditor.page, '/staff');
  await follow(auditor.page, 'Read the audit trail');
  await check(auditor.page, 'staff-audit');
  await submit(auditor.page, 'Verify now');
  assert.match(await told(auditor.page), /The chain holds/);
  await auditor.page.context().close();
});
