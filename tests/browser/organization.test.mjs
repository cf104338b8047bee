// What a representative does with the account of an organization: its answers, users, clinicians and credentials.

import assert from 'node:assert/strict';

import { check, expectErrors, fill, follow, start, submit, visit, vxu } from './support.mjs';
import { fact, heading, registered, setPassword, signIn, staff, told } from './walks.mjs';

const world = await start();

/** The page of the representative, and the Site. */
let page;
let site;
let home;

world.test('a contact changes at once, a name when CDPH has decided', { seconds: 240 }, async () => {
  ({ page, site } = await registered(world, { name: 'Larkspur', host: 'larkspur.example' }));
  home = page.url();
  await follow(page, 'Change Mailing address and fax');
  await fill(page, { 'Fax (optional)': '555' });
  await submit(page, 'Save');
  await expectErrors(page, ['Enter a telephone number with area code, like 510-555-0100']);
  await check(page, 'organization-edit-error');
  await fill(page, { 'Fax (optional)': '510 555 0199' });
  await submit(page, 'Save');
  assert.match(await told(page), /Your changes are saved\./);
  assert.equal(await fact(page, 'Fax'), '510-555-0199');

  await follow(page, 'Change Organization');
  await check(page, 'organization-edit');
  await fill(page, { 'Name of the organization': 'Larkspur Family Health' });
  await submit(page, 'Save');
  assert.match(await told(page), /CDPH has your request/);
  assert.match(await fact(page, 'Name of the organization'), /Larkspur Group[^]*Waits for CDPH[^]*Larkspur Family Health/);
  await check(page, 'organization-waits');
  await follow(page, 'Requests');
  await check(page, 'organization-requests');

  const registrar = await staff(world, 'registrar@cdph.example', 'registrar');
  await visit(registrar.page, '/staff/requests');
  await follow(registrar.page, /Larkspur Group/);
  await check(registrar.page, 'staff-update');
  await fill(registrar.page, { 'Choose one': 'Approve' });
  await submit(registrar.page, 'Save the decision');
  assert.match(await told(registrar.page), /Approved\. The emails are on their way\./);
  await registrar.page.context().close();

  await world.mailTo('ana@larkspur.example', 'Your update was approved');
  await visit(page, home);
  assert.equal(await heading(page), 'Larkspur Family Health');
  assert.equal(await fact(page, 'Name of the organization'), 'Larkspur Family Health');
});

world.test('a request is taken back', async () => {
  await follow(page, 'Change the access level');
  await check(page, 'organization-access-level');
  await fill(page, { 'Access level': 'Clinical' });
  await submit(page, 'Save');
  await follow(page, 'Requests');
  await submit(page, /^Withdraw/);

  assert.match(await told(page), /The request is withdrawn\./);
});

world.test('a user who is deactivated is signed out with the next click', { seconds: 240 }, async () => {
  await visit(page, home);
  await follow(page, 'Users');
  await check(page, 'users');
  await follow(page, 'Add a user');
  await submit(page, 'Add the user');
  await expectErrors(page, ['Enter the first name', 'Enter the last name', 'Enter the email address of the user', 'Choose at least one role']);
  await check(page, 'user-new-error');
  await fill(page, { 'First name': 'Dana', 'Last name': 'Lehr', 'Email address': 'dana@larkspur.example', Roles: 'Data Exchange Contact' });
  await submit(page, 'Add the user');
  assert.match(await told(page), /The invitation is on its way\./);

  const other = await world.page();
  await visit(other, (await world.mailTo('dana@larkspur.example', 'Set the password')).link('/set-password/'));
  await setPassword(other);
  await signIn(other, 'dana@larkspur.example');
  await follow(other, 'Larkspur Family Health');
  await check(other, 'organization-seen-by-a-user');

  await follow(page, 'Dana Lehr');
  await check(page, 'user');
  await submit(page, 'Deactivate Dana Lehr');
  assert.match(await fact(page, 'State'), /Deactivated/);
  await check(page, 'user-deactivated');
  await follow(other, 'Larkspur');
  assert.equal(await heading(other), 'Sign in');
  assert.equal(new URL(other.url()).pathname, '/sign-in');
  await signIn(other, 'dana@larkspur.example');
  await expectErrors(other, [
    'The email address or the password is not right. After several tries, wait a few minutes, or set a new password',
  ]);

  await submit(page, 'Reactivate Dana Lehr');
  assert.match(await fact(page, 'State'), /Active/);
  await signIn(other, 'dana@larkspur.example');
  assert.equal(await heading(other), 'Your account');
  await other.context().close();
});

world.test('another password is shown, and a revoked credential opens nothing', async () => {
  await visit(page, home);
  await follow(page, 'Larkspur');
  const [username, facility] = [await fact(page, 'Username'), await fact(page, 'facilityID')];
  const show = async () => {
    await follow(page, /^Show (the|a new) password/);
    if ((await heading(page)) === 'Show a new password') await check(page, 'credential-password-again');
    await submit(page, /^Show (the|a new) password/);
    return fact(page, 'Password');
  };
  const send = async (password) => world.soapSubmit({ username, password, facility, hl7: vxu({ site, region: 'CAIRBA' }) });
  const first = await show();
  await follow(page, 'I have kept it');
  const second = await show();
  assert.match(await fact(page, 'Password before'), /is taken until/);
  assert.notEqual(first, second);
  for (const password of [first, second]) assert.equal((await send(password)).ack?.code, 'AA');

  await follow(page, 'I have kept it');
  await check(page, 'credential-two-passwords');
  await follow(page, /^Revoke/);
  await check(page, 'credential-revoke');
  await submit(page, 'Revoke the credential');
  assert.match(await told(page), /Revoked/);
  assert.equal((await send(second)).fault?.element, 'SecurityFault');
});

world.test('clinicians, agreement and history', async () => {
  await visit(page, home);
  await follow(page, 'Clinicians');
  await check(page, 'clinicians-none');
  await follow(page, 'Add a clinician');
  await check(page, 'clinician-new');
  await fill(page, { 'First name': 'Rosa', 'Last name': 'Inventa', 'Type of license': 'Pharmacist', 'California license number': 'A12345' });
  await submit(page, 'Save');
  await check(page, 'clinicians');
  await submit(page, 'Make inactive Rosa Inventa');
  assert.match(await told(page), /Inactive/);

  await follow(page, 'Agreement');
  await check(page, 'organization-agreement');
  await follow(page, 'Cancel');
  await follow(page, 'History');
  await check(page, 'organization-history');
  assert.match(await told(page), /Dana|user/i);
});
