// What the browser tests are written with: one import for all of it. How a test looks is shown in landing.test.mjs and
// the tests of the harness itself (harness-*.test.mjs); scripts/browser runs them.

export { start, test } from './support/world.mjs';
export { check, note } from './support/check.mjs';
export { accessible, press, tabTo } from './support/keyboard.mjs';
export { expectErrors, fill, follow, submit, visit } from './support/pages.mjs';
export { Mailbox } from './support/mailbox.mjs';
export { Portal } from './support/portal.mjs';
export { passkeys, totp } from './support/factors.mjs';
export { newControlId, soapSubmit, vxu } from './support/sender.mjs';
