// Second factors: passkeys of a virtual device, and codes of an authenticator app.

import crypto from 'node:crypto';

/**
 * Gives the page a device with passkeys that is always touched and knows its user. With it: `credentials()`,
 * `userVerified(false)` (the user fails to unlock it), `remove()`.
 */
export async function passkeys(page, options = {}) {
  const session = await page.context().newCDPSession(page);
  await session.send('WebAuthn.enable', { enableUI: false });
  const { authenticatorId } = await session.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      protocol: 'ctap2',
      transport: 'internal',
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
      ...options,
    },
  });
  return {
    async credentials() {
      return (await session.send('WebAuthn.getCredentials', { authenticatorId })).credentials;
    },
    /** Puts a passkey of another page's device here, as a synchronised one is. */
    add: (credential) => session.send('WebAuthn.addCredential', { authenticatorId, credential }),
    userVerified: (isUserVerified) => session.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified }),
    async remove() {
      await session.send('WebAuthn.removeVirtualAuthenticator', { authenticatorId });
      await session.detach();
    },
  };
}

/**
 * The code of an authenticator app for a Base32 secret or an otpauth:// link: RFC 6238 with SHA-1. `step: 1` gives the
 * next code, for a second login within the same half minute.
 */
export function totp(secret, { at = Date.now(), step = 0, period = 30, digits = 6 } = {}) {
  const text = secret.startsWith('otpauth:') ? new URL(secret).searchParams.get('secret') : secret;
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(at / 1000 / period) + step));
  const hash = crypto.createHmac('sha1', base32(text)).update(counter).digest();
  const offset = hash[hash.length - 1] & 15;
  return String((hash.readUInt32BE(offset) & 0x7fffffff) % 10 ** digits).padStart(digits, '0');
}

function base32(text) {
  let bits = '';
  for (const letter of text.replace(/[\s=-]/g, '').toUpperCase()) {
    const value = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(letter);
    if (value < 0) throw new Error(`not Base32: ${letter}`);
    bits += value.toString(2).padStart(5, '0');
  }
  return Buffer.from((bits.match(/.{8}/g) ?? []).map((byte) => parseInt(byte, 2)));
}
