// The harness with the real service: what tests of the portal need of it beside pages.

import assert from 'node:assert/strict';

import { newControlId, passkeys, start, visit, vxu } from './support.mjs';

const world = await start({ mailbox: false });

world.test('an issued credential submits, a wrong password does not', async (page) => {
  const { site, issued } = await world.portal.site();
  const sender = { username: issued.username, password: issued.password, facility: issued.facility_id };
  const controlId = newControlId();
  const hl7 = vxu({ site: site.id, region: site.region, controlId });

  const { ack } = await world.soapSubmit({ ...sender, hl7 });
  assert.equal(ack.code, 'AA', ack.text);
  assert.equal(ack.controlId, controlId);
  const { status, fault } = await world.soapSubmit({ ...sender, password: 'not the password', hl7 });
  assert.equal(fault.element, 'SecurityFault');
  assert.equal(fault.reason, 'Security');
  assert.ok(status >= 400 && fault.code, JSON.stringify({ status, fault }));

  await world.portal.restart();
  assert.equal((await world.portal.admin('site', 'list')).length, 1);
  await visit(page, '/');
});

world.test('a virtual device makes and uses a passkey over HTTPS with our own authority', async (page) => {
  await visit(page, '/');
  const device = await passkeys(page);
  const made = await page.evaluate(async () => {
    const challenge = new Uint8Array(32);
    const credential = await navigator.credentials.create({
      publicKey: {
        challenge,
        rp: { id: 'localhost', name: 'Trial' },
        user: { id: new Uint8Array(8), name: 'ana@clinic.example', displayName: 'Ana' },
        pubKeyCredParams: [{ type: 'public-key', alg: -7 }],
        authenticatorSelection: { residentKey: 'required', userVerification: 'required' },
      },
    });
    const used = await navigator.credentials.get({ publicKey: { challenge, rpId: 'localhost', userVerification: 'required' } });
    return { same: credential.id === used.id, signed: used.response.signature.byteLength > 0 };
  });

  assert.deepEqual(made, { same: true, signed: true });
  const [credential] = await device.credentials();
  assert.equal(credential.rpId, 'localhost');
  await device.userVerified(false);
  const refused = await page.evaluate(() =>
    navigator.credentials
      .get({ publicKey: { challenge: new Uint8Array(32), rpId: 'localhost', userVerification: 'required', timeout: 1000 } })
      .then(() => 'opened', (error) => error.name),
  );
  assert.equal(refused, 'NotAllowedError');
  await device.remove();
});
