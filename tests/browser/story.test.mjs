// The whole way of a Site with the criteria as they are delivered: registration, a first test message that fails, the
// letter that says why, every kind of message that is asked for, the review, approval by two, production beside test, and
// the statement that proves it.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';

import { scenarios } from './scenarios.mjs';
import { check, fill, follow, newControlId, start, submit, visit, vxu } from './support.mjs';
import { fact, heading, registered, staff, told } from './walks.mjs';
import { folder, work } from './support/work.mjs';

const REGION = 'CAIRBA';

/** Prints the text of a PDF, as another program than ours reads it. */
const PDF_TEXT = 'import sys, pypdf; print("\\n".join(page.extract_text() for page in pypdf.PdfReader(sys.argv[1]).pages))';

const world = await start();

/** The page of the Site's representative, its Site ID, its address, and what its EHR sends with. */
const clinic = {};
const ehr = {};

/** Reads the page again until it says what is waited for. */
async function until(page, pattern, seconds = 20) {
  for (const end = Date.now() + seconds * 1000; !pattern.test(await told(page)); ) {
    assert.ok(Date.now() < end, `${page.url()} does not say ${pattern}: ${await told(page)}`);
    await new Promise((resolve) => setTimeout(resolve, 500));
    await page.reload();
  }
}

/** The credential that stands on the page, with its password, which is shown once. */
async function credential(page, environment) {
  await follow(page, new RegExp(`^Show the password of ${clinic.site}-${environment[0].toUpperCase()}`));
  await submit(page, 'Show the password');
  return { username: await fact(page, 'Username'), password: await fact(page, 'Password'), facility: await fact(page, 'facilityID') };
}

/** What the registry of the region holds of a message, on its test or its production side. */
async function received(controlId) {
  const held = await world.portal.admin('registry', 'list', '--region', REGION);
  return held.filter((one) => one.control_id === controlId).map((one) => one.environment);
}

async function send(sender, hl7) {
  const { ack, fault } = await world.soapSubmit({ ...sender, hl7 });
  assert.ok(ack, JSON.stringify(fault));
  return ack;
}

world.test('the first message of a new Site fails, and the email about it leads to what is wrong', { seconds: 240 }, async () => {
  Object.assign(clinic, await registered(world, { name: 'Larkspur Pediatrics', host: 'larkspur.example' }));
  const { page, site } = clinic;
  await follow(page, /^Larkspur Pediatrics$/);
  clinic.at = page.url();
  ehr.test = await credential(page, 'test');

  const bad = vxu({ site, region: REGION }).replace(/\|\d{8}\|F\|/, '||F|');
  const ack = await send(ehr.test, bad);
  assert.equal(ack.code, 'AE');
  assert.match(ack.errors.join('\n'), /PID\^1\^7/);

  const letter = await world.mailTo('ben@larkspur.example', /first test message .* was refused/);
  assert.match(letter.text, /PID-7: error 101[^]*How to fix it: Send PID-7/);
  await visit(page, letter.link('/messages/'));
  assert.match(await told(page), /PID-7[^]*required/);
  await check(page, 'story-message');
});

world.test('with every kind of message that is asked for it is ready for the review by itself', { seconds: 240 }, async () => {
  const { page, site } = clinic;
  await visit(page, clinic.at);
  await until(page, /Mend what/);
  for (const { kind, hl7 } of scenarios({ site, region: REGION })) {
    const ack = await send(ehr.test, hl7);
    assert.equal(ack.code, 'AA', `${kind}: ${ack.text}`);
  }
  await page.reload();
  assert.doesNotMatch(await told(page), /CDPH begins the review/, 'ten messages in a row are asked for, eight were sent');
  for (let number = 0; number < 2; number += 1) {
    assert.equal((await send(ehr.test, vxu({ site, region: REGION }))).code, 'AA');
  }
  await world.mailTo('ana@larkspur.example', /test messages .* are good/i);
  await until(page, /CDPH begins the review/);
  await check(page, 'story-validated');
});

world.test('one of the staff reviews and proposes, another approves', { seconds: 240 }, async () => {
  const one = await staff(world, 'one@cdph.example', 'onboarding', { region: REGION });
  await visit(one.page, '/staff/onboarding');
  await follow(one.page, 'Larkspur Pediatrics');
  await submit(one.page, 'Begin the review');
  const items = await one.page.locator('fieldset').filter({ hasText: 'What do you confirm?' }).locator('label').allInnerTexts();
  for (const item of items) {
    await fill(one.page, { 'What do you confirm?': item.trim(), 'What did you see?': 'Compared with the chart by telephone.' });
    await submit(one.page, 'Confirm');
  }
  await fill(one.page, { 'Why, although not everything is met': 'A small practice: 100 doses take months.' });
  await submit(one.page, 'Propose for production');
  assert.equal(await one.page.getByRole('button', { name: 'Approve for production' }).count(), 0);
  assert.deepEqual((await send(ehr.test, vxu({ site: clinic.site, region: REGION }))).code, 'AA', 'tests go on meanwhile');

  const other = await staff(world, 'other@cdph.example', 'onboarding');
  await visit(other.page, `/staff/sites/${clinic.site}`);
  await submit(other.page, 'Approve for production');
  assert.match(await told(other.page), /The Site is approved/);
});

world.test('a production message goes to the production registry, a test message still to the other', { seconds: 240 }, async () => {
  const { page, site } = clinic;
  const letter = await world.mailTo('ana@larkspur.example', /approved for production/);
  await visit(page, letter.link('/organization/'));
  ehr.production = await credential(page, 'production');
  assert.notEqual(ehr.production.username, ehr.test.username);

  const [real, trial] = [newControlId(), newControlId()];
  const message = { site, region: REGION };
  assert.equal((await send(ehr.production, vxu({ ...message, processing: 'P', controlId: real }))).code, 'AA');
  assert.equal((await send(ehr.test, vxu({ ...message, controlId: trial }))).code, 'AA');
  assert.deepEqual(await received(real), ['production']);
  assert.deepEqual(await received(trial), ['test']);

  // What belongs to the other side is refused, and reaches neither registry.
  const [mixed, again] = [newControlId(), newControlId()];
  assert.equal((await send(ehr.test, vxu({ ...message, processing: 'P', controlId: mixed }))).code, 'AR');
  assert.equal((await send(ehr.production, vxu({ ...message, controlId: again }))).code, 'AR');
  assert.deepEqual([...(await received(mixed)), ...(await received(again))], []);

  await visit(page, clinic.at);
  await until(page, /In production/);
  await check(page, 'story-production');
  await follow(page, 'All messages of this Site');
  await fill(page, { Environment: 'Production', 'Control ID (MSH-10)': real });
  await submit(page, 'Search');
  assert.match(await page.locator('table.data tbody').innerText(), /Taken by the registry/);
});

world.test('the statement says so, and whoever gets it can check it', { seconds: 120 }, async (stranger) => {
  const { page, site } = clinic;
  await visit(page, clinic.at);
  await follow(page, 'Get a dated statement for your attestation');
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('button', { name: 'Issue it as PDF' }).click(),
  ]);
  const file = path.join(folder('shots'), 'story-statement.pdf');
  await download.saveAs(file);
  assert.equal(fs.readFileSync(file).subarray(0, 5).toString(), '%PDF-');
  // Its code as a reader of the paper types it.
  const { stdout } = await promisify(execFile)(path.join(work, 'venv/bin/python'), ['-c', PDF_TEXT, file]);
  const code = /\b(?:[0-9a-z]{5}-){3}[0-9a-z]{5}\b/.exec(stdout)?.[0];
  assert.ok(code, `a code in the PDF: ${stdout}`);
  assert.match(stdout, new RegExp(site));

  await visit(stranger, '/verify-statement');
  await fill(stranger, { 'Code of the statement': code });
  await submit(stranger, 'Check');
  assert.equal(await heading(stranger), 'We issued this statement');
  assert.match(await told(stranger), /still so today/);
});
