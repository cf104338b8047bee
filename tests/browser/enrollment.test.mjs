// Enrolment for use without an EHR: a school that looks patients up, and a clinic that enters doses after its training.

import assert from 'node:assert/strict';

import { check, fill, follow, start, submit, visit } from './support.mjs';
import { fact, fillIn, heading, look, setPassword, signIn, staff, told } from './walks.mjs';
import { enrollment } from './answers.mjs';

const world = await start();

/** Sends an enrolment off and confirms its address. */
async function confirm(page, address) {
  await look(page, 'enroll-review');
  await submit(page, 'Send the enrollment');
  await look(page, 'enroll-sent');
  await visit(page, (await world.mailTo(address, /Confirm your email/)).link('/verify/'));
  await look(page, 'enroll-verify');
  await submit(page, 'Confirm and send the enrollment');
  await look(page, 'enrolled');
}

/** The registrar, when there is one. */
let registrar;

async function approve(name) {
  await visit(registrar.page, '/staff');
  await look(registrar.page, 'staff-home');
  await follow(registrar.page, /^Enrollment/);
  await follow(registrar.page, new RegExp(name));
  await look(registrar.page, 'staff-enrollment');
  await fill(registrar.page, { 'Choose one': 'Approve' });
  await submit(registrar.page, 'Save the decision');
  assert.match(await told(registrar.page), /Approved\. The emails are on their way\./);
}

world.test('a school enrolls, and its user looks patients up', { seconds: 240 }, async (page) => {
  registrar = await staff(world, 'registrar@cdph.example', 'registrar');
  await fillIn(page, '/enroll', enrollment({ name: 'Larkspur School', host: 'school.example', level: 'Read-Only' }));
  await confirm(page, 'ana@school.example');
  await world.mailTo('ana@school.example', 'Your enrollment in CAIR has arrived');
  await approve('Larkspur School');

  const approved = await world.mailTo('ana@school.example', /Larkspur School is enrolled in CAIR: PR-\d{6}/);
  assert.match(approved.text, /U-\d{6}/);
  const invited = await world.mailTo('uma@school.example', 'Set the password');
  await visit(page, invited.link('/set-password/'));
  await setPassword(page);
  await signIn(page, 'uma@school.example');
  await check(page, 'account-read-only');
  await follow(page, 'Larkspur School');
  assert.equal(await fact(page, 'Access level'), 'Read-Only');
  await check(page, 'organization-read-only');

  const contact = await world.page();
  await visit(contact, (await world.mailTo('ana@school.example', 'Set the password')).link('/set-password/'));
  await setPassword(contact);
  await signIn(contact, 'ana@school.example');
  await follow(contact, 'Larkspur School');
  await check(contact, 'organization-without-sites');
  await contact.context().close();
});

world.test('a clinic enrolls, and its user signs in after the training', { seconds: 240 }, async (page) => {
  await fillIn(page, '/enroll', enrollment({ name: 'Harbor Clinic', host: 'harbor.example', level: 'Clinical', role: 'Regular' }));
  await confirm(page, 'ana@harbor.example');
  await approve('Harbor Clinic');
  await world.mailTo('uma@harbor.example', 'Training for your IZ Portal account');
  const links = () => world.mailbox.mails.filter((mail) => mail.envelope.to.includes('uma@harbor.example') && mail.links.some((one) => one.includes('/set-password/')));
  assert.equal(links().length, 0, 'no way in before the training');

  const desk = registrar.page;
  await follow(desk, 'Accounts');
  await look(desk, 'staff-accounts');
  await fill(desk, { 'Beginning of the email address or name, or User ID': 'uma@harbor' });
  await submit(desk, 'Find');
  await follow(desk, /Anwender/);
  await check(desk, 'staff-account-waits');
  await submit(desk, 'Record the training');
  await check(desk, 'staff-training-error');
  await fill(desk, { 'How was the training given?': 'Webinar', Month: '3', Day: '31', Year: '2026' });
  await submit(desk, 'Record the training');
  assert.match(await told(desk), /The training is recorded, and the password link is on its way\./);
  await check(desk, 'staff-account-trained');

  await visit(page, (await world.mailTo('uma@harbor.example', 'Set the password')).link('/set-password/'));
  await setPassword(page);
  await signIn(page, 'uma@harbor.example');
  assert.equal(await heading(page), 'Your account');
  assert.match(await told(page), /Harbor Clinic[^]*Regular/);
});
