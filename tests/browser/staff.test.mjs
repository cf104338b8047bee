// What staff do: queues with filters, questions, decisions, help for accounts.

import assert from 'node:assert/strict';

import { enrollment } from './answers.mjs';
import { check, expectErrors, fill, follow, start, submit, visit, vxu } from './support.mjs';
import { fact, fillIn, heading, PASSWORD, registered, signIn, staff, told } from './walks.mjs';

const world = await start();

/** Decides the request that is shown. */
async function decide(page, choice, words) {
  await fill(page, { 'Choose one': choice, ...(words && { 'Your words': words }) });
  await submit(page, 'Save the decision');
}

world.test('a question goes to the applicant, the answer comes back, and the enrollment is approved', { seconds: 240 }, async (page) => {
  await fillIn(page, '/enroll', enrollment({ name: 'Mesa Clinic', host: 'mesa.example', level: 'Clinical', role: 'Power' }), { looks: false });
  await submit(page, 'Send the enrollment');
  await visit(page, (await world.mailTo('ana@mesa.example', /Confirm your email/)).link('/verify/'));
  await submit(page, 'Confirm and send the enrollment');

  const registrar = await staff(world, 'registrar@cdph.example', 'registrar', { region: 'CAIRBA' });
  const desk = registrar.page;
  await check(desk, 'account-of-staff');
  await follow(desk, 'See what waits');
  await follow(desk, 'Requests');
  await check(desk, 'staff-requests');
  await fill(desk, { Kind: 'Update' });
  await submit(desk, 'Show');
  assert.equal(await desk.getByRole('link', { name: /Mesa/ }).count(), 0);
  await check(desk, 'staff-requests-none');
  await fill(desk, { Kind: 'Enrollment', Region: 'Bay Area', 'Name, address or number': 'mesa' });
  await submit(desk, 'Show');
  await follow(desk, /Mesa Clinic/);
  await submit(desk, 'Save the decision');
  await expectErrors(desk, ['Choose what to do with the request']);
  await decide(desk, 'Ask a question');
  await expectErrors(desk, ['Write your question or your reason']);
  await check(desk, 'staff-request-error');
  await desk.getByText('Begin with words that are ready').click();
  await follow(desk, 'The license cannot be found');
  assert.match(await desk.getByLabel('Your words').inputValue(), /licensing board/);
  await submit(desk, 'Save the decision');
  assert.match(await told(desk), /The question is on its way to the applicant\./);
  await check(desk, 'staff-request-asked');

  const question = await world.mailTo('ana@mesa.example', 'A question about your request');
  await visit(page, question.link('/requests/'));
  await check(page, 'request-question');
  await submit(page, 'Send the answer');
  await expectErrors(page, ['Write your question or your reason']);
  await fill(page, { 'Your answer': 'It is A54321.' });
  await submit(page, 'Send the answer');
  assert.equal(await heading(page), 'Thank you for your answer');
  await check(page, 'request-answered');
  await visit(page, question.link('/requests/'));
  assert.equal(await heading(page), 'Your answer has arrived');
  await check(page, 'link-dead');

  await desk.reload();
  assert.match(await told(desk), /It is A54321\./);
  await decide(desk, 'Write a note', 'Looked up: it fits.');
  assert.match(await told(desk), /Looked up: it fits\./);
  await decide(desk, 'Approve');
  assert.match(await told(desk), /Approved\./);
  await check(desk, 'staff-request-approved');
  await world.mailTo('ana@mesa.example', /Mesa Clinic is enrolled in CAIR/);

  await follow(desk, 'Organizations');
  await check(desk, 'staff-organizations');
  await follow(desk, 'Mesa Clinic');
  await check(desk, 'staff-organization');
  await desk.context().close();
});

world.test('a registration that is declined suspends its Site', { seconds: 240 }, async () => {
  const clinic = await registered(world, { name: 'Fraud Clinic', host: 'fraud.example' });
  await follow(clinic.page, /^Fraud Clinic$/);
  await follow(clinic.page, /^Show the password/);
  await submit(clinic.page, 'Show the password');
  const sender = { username: await fact(clinic.page, 'Username'), password: await fact(clinic.page, 'Password'), facility: clinic.site };
  const send = () => world.soapSubmit({ ...sender, hl7: vxu({ site: clinic.site, region: 'CAIRBA' }) });
  assert.equal((await send()).ack?.code, 'AA');

  const { page: desk } = await staff(world, 'onboarding@cdph.example', 'onboarding');
  await visit(desk, '/staff');
  await follow(desk, /^Registration/);
  await follow(desk, /Fraud Clinic/);
  await check(desk, 'staff-registration');
  await decide(desk, 'Decline', 'The license belongs to another clinic.');
  assert.match(await told(desk), /Declined\./);
  await desk.context().close();

  const letter = await world.mailTo('ana@fraud.example', 'Your registration was declined');
  assert.match(letter.text, /belongs to another clinic/);
  assert.equal((await send()).fault?.element, 'SecurityFault');
  await follow(clinic.page, 'I have kept it');
  assert.match(await fact(clinic.page, 'Stage'), /Suspended/);
  await check(clinic.page, 'organization-site-suspended');
});

world.test('the help desk unlocks an account and closes it; others see none of it', { seconds: 240 }, async (page) => {
  for (let tries = 0; tries < 9; tries += 1) await signIn(page, 'ana@fraud.example', { password: 'not my password at all' });
  await signIn(page, 'ana@fraud.example');
  assert.equal(await heading(page), 'Sign in');

  const { page: desk } = await staff(world, 'help@cdph.example', 'help-desk');
  await visit(desk, '/staff/accounts?search=ana%40fraud');
  await follow(desk, /Muster/);
  await check(desk, 'staff-account-locked');
  await submit(desk, 'Unlock the account');
  assert.match(await told(desk), /The account is unlocked/);
  await signIn(page, 'ana@fraud.example', { password: PASSWORD });
  assert.equal(await heading(page), 'Your account');

  await submit(desk, 'Deactivate the account');
  assert.match(await told(desk), /its sessions have ended/);
  await page.reload();
  assert.equal(await heading(page), 'Sign in');
  await visit(desk, '/staff/requests', { status: 404 });
  await desk.context().close();
});

world.test('an administrator gives and takes a staff role', async () => {
  const { page: desk } = await staff(world, 'root@cdph.example', 'administrator');
  await visit(desk, '/staff/accounts?search=registrar%40cdph');
  await follow(desk, /^Amt, /);
  await submit(desk, 'Give the role');
  await expectErrors(desk, ['Choose a staff role and where it holds']);
  await check(desk, 'staff-roles-error');
  await fill(desk, { 'Staff role': 'Auditor', Where: 'All regions' });
  await submit(desk, 'Give the role');
  assert.match(await told(desk), /Auditor, all regions/);
  await submit(desk, 'Take away Auditor');
  assert.doesNotMatch(await told(desk), /Auditor, all regions/);
});
