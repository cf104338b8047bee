// Signing in: with the keyboard, without script, with an app and a passkey; the forgotten password; sessions.

import assert from 'node:assert/strict';

import { check, expectErrors, fill, follow, passkeys, press, start, submit, tabTo, visit } from './support.mjs';
import { heading, PASSWORD, registered, setPassword, setUpApp, signIn, told } from './walks.mjs';

const world = await start();
const EMAIL = 'ana@keys.example';
const REFUSED = 'The email address or the password is not right. After several tries, wait a few minutes, or set a new password';

world.test('a registration begins with the keyboard alone', async (page) => {
  await visit(page, '/');
  await tabTo(page, 'Skip to the main content');
  await press(page);
  await tabTo(page, 'Register for data exchange', { role: 'link' });
  await press(page, 'Enter', { leaves: true });
  await tabTo(page, 'Start', { role: 'button' });
  await press(page, 'Enter', { leaves: true });
  await tabTo(page, 'Continue', { role: 'button' });
  await press(page, 'Enter', { leaves: true });
  await expectErrors(page, ['Choose how your Site will send its data']);
  await check(page, 'register-type-error');
  await press(page, 'Space');
  await tabTo(page, 'Continue', { role: 'button' });
  await press(page, 'Enter', { leaves: true });
  assert.equal(await heading(page), 'Which county is the Site in?');
});

world.test('signing in with the keyboard alone, wrong and right', async (page) => {
  const other = await registered(world, { name: 'Keys Clinic', host: 'keys.example' });
  await other.page.context().close();
  await visit(page, '/account');
  assert.equal(await heading(page), 'Sign in');
  await check(page, 'sign-in');
  await tabTo(page, 'Email address');
  await page.keyboard.type(EMAIL);
  await tabTo(page, 'Password');
  await page.keyboard.type('not my password at all');
  await press(page, 'Enter', { leaves: true });
  await expectErrors(page, [REFUSED]);
  await check(page, 'sign-in-refused');
  await tabTo(page, 'Password');
  await page.keyboard.type(PASSWORD);
  await tabTo(page, 'Sign in', { role: 'button' });
  await press(page, 'Enter', { leaves: true });
  assert.equal(await heading(page), 'Your account');
});

world.test('an unknown address gets the same answers', async (page) => {
  await signIn(page, 'nobody@keys.example');
  await expectErrors(page, [REFUSED]);
  await follow(page, 'Forgot your password?');
  await check(page, 'forgot-password');
  await fill(page, { 'Email address': 'nobody@keys.example' });
  await submit(page, 'Mail me a link');
  await check(page, 'forgot-password-sent');
});

world.test('a forgotten password is set anew by mail, which ends other sessions', async (page) => {
  const other = await world.page();
  await signIn(other, EMAIL);
  await visit(page, '/forgot-password');
  await fill(page, { 'Email address': EMAIL });
  await submit(page, 'Mail me a link');
  const link = (await world.mailTo(EMAIL, 'Set a new password')).link('/set-password/');
  await visit(page, link);
  await fill(page, { 'New password': 'password', 'New password once more': 'passwort' });
  await submit(page, 'Set the password');
  await expectErrors(page, ['The two passwords differ. Type the same password twice']);
  await fill(page, { 'New password': 'too short', 'New password once more': 'too short' });
  await submit(page, 'Set the password');
  await check(page, 'set-password-error');
  await setPassword(page);
  await visit(page, link);
  assert.equal(await heading(page), 'This link does not work any more');
  await check(page, 'set-password-dead-link');

  await other.reload();
  assert.equal(await heading(other), 'Sign in');
  await other.context().close();
});

world.test('sessions are listed and ended everywhere else', async (page) => {
  const other = await world.page({ phone: true });
  await signIn(other, EMAIL);
  await signIn(page, EMAIL);
  await follow(page, 'Show where you are signed in');
  await check(page, 'sessions');
  await submit(page, 'Sign out everywhere else');
  await other.reload();
  assert.equal(await heading(other), 'Sign in');
  await other.context().close();

  await visit(page, '/account/confirm?next=/account/email');
  await check(page, 'confirm-with-password');
  await fill(page, { 'Your password': PASSWORD });
  await submit(page, 'Continue');
  assert.equal(await heading(page), 'Change your email address');
  await check(page, 'account-email');
  await visit(page, '/account/password');
  await check(page, 'account-password');
  await visit(page, '/account/profile');
  await check(page, 'account-profile');
  await submit(page, 'Sign out');
  assert.equal(await heading(page), 'Sign in');
  await visit(page, '/account');
  assert.equal(await heading(page), 'Sign in');
});

world.test('a passkey and an authenticator app are second factors', { seconds: 240 }, async (page) => {
  await signIn(page, EMAIL);
  const device = await passkeys(page);
  await follow(page, 'Set up a second factor');
  await follow(page, 'Add a passkey');
  await check(page, 'passkey-new');
  await fill(page, { 'A name for it': 'Office computer' });
  await submit(page, 'Add a passkey');
  assert.equal(await heading(page), 'Your passkey is added');
  assert.equal((await device.credentials()).length, 1);
  await submit(page, 'Sign out');

  await signIn(page, EMAIL);
  assert.equal(await heading(page), 'Use your passkey');
  await check(page, 'sign-in-passkey');
  await device.userVerified(false);
  await page.getByRole('button', { name: 'Use a passkey' }).click();
  await page.getByRole('alert').filter({ hasText: 'There was no passkey' }).waitFor();
  await check(page, 'sign-in-passkey-refused');
  await device.userVerified(true);
  await submit(page, 'Use a passkey');
  assert.equal(await heading(page), 'Your account');

  await visit(page, '/account/second-factor');
  const { app } = await setUpOneMore(page);
  await check(page, 'second-factors');
  await submit(page, 'Sign out');
  await signIn(page, EMAIL);
  assert.equal(await heading(page), 'Enter your code');
  await fill(page, { 'Six-digit code': '000000' });
  await submit(page, 'Continue');
  await expectErrors(page, ['This code is not right or was used already. Wait for the next one; after several tries, wait a few minutes']);
  await check(page, 'sign-in-code-error');
  await fill(page, { 'Six-digit code': await app.code() });
  await submit(page, 'Continue');
  assert.equal(await heading(page), 'Your account');
  await device.remove();
});

/** An app beside a second factor that is there: no recovery codes are shown again. */
async function setUpOneMore(page) {
  const { app } = await setUpApp(page, { first: false });
  await follow(page, 'Go to your account');
  await follow(page, 'Change your second factor');
  return { app };
}

world.test('a recovery code opens once, without script', { script: false, seconds: 240 }, async (page) => {
  const clinic = await registered(world, { name: 'Codes Clinic', host: 'codes.example' });
  await clinic.page.context().close();
  await signIn(page, 'ana@codes.example');
  await follow(page, 'Set up a second factor');
  const { app, codes } = await setUpApp(page);
  assert.equal(codes.length, 10);
  await submit(page, 'Sign out');
  await signIn(page, 'ana@codes.example', { app });
  assert.equal(await heading(page), 'Your account');
  await submit(page, 'Sign out');

  for (const [tried, to] of [['once', 'Your account'], ['twice', 'Use a recovery code']]) {
    await signIn(page, 'ana@codes.example');
    await follow(page, 'Use a recovery code instead');
    if (tried === 'once') await check(page, 'sign-in-recovery-code');
    await fill(page, { 'Recovery code': codes[0] });
    await submit(page, 'Continue');
    assert.equal(await heading(page), to, tried);
    if (to === 'Your account') await submit(page, 'Sign out');
  }
  await expectErrors(page, ['This recovery code is not right or was used already']);
  assert.match(await told(page), /No code left/);
});
