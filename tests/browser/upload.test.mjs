// Many Sites from one file: what is wrong with its rows, what it would make, what it made.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

import { check, expectErrors, fill, follow, start, submit, visit } from './support.mjs';
import { heading, registered, told } from './walks.mjs';
import { here, work } from './support/work.mjs';

const world = await start();
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'izportal-upload-'));

/** A row of the file. */
function site(name, other = {}) {
  return {
    site_type: 'direct',
    zip: '94501',
    county: 'Alameda',
    site_name: name,
    address_line1: '12 Invented Street',
    city: 'Alameda',
    clinical: 'yes',
    clinician_first_name: 'Rosa',
    clinician_last_name: 'Inventa',
    clinician_license_type: 'physician',
    clinician_license: 'A12345',
    specialty: 'pediatrics',
    mu_stage: 'none',
    ...other,
  };
}

/** What is downloaded by a link. */
async function download(page, link) {
  const [got] = await Promise.all([page.waitForEvent('download'), page.getByRole('link', { name: link, exact: true }).click()]);
  const file = path.join(folder, got.suggestedFilename());
  await got.saveAs(file);
  return file;
}

/** A CSV file with the columns of the template. */
function csv(template, rows) {
  const columns = fs.readFileSync(template, 'utf8').replace(/^\uFEFF/, '').trim().split(',');
  const lines = rows.map((row) => columns.map((column) => row[column] ?? '').join(','));
  return { name: 'sites.csv', mimeType: 'text/csv', buffer: Buffer.from([columns.join(','), ...lines, ''].join('\r\n')) };
}

async function upload(page, file) {
  await fill(page, { 'File with your Sites': file });
  await submit(page, 'Upload and check');
}

const sites = async () => (await world.portal.admin('site', 'list')).length;

world.test('a file with wrong rows makes nothing, a good one makes its Sites', { seconds: 240 }, async () => {
  const { page } = await registered(world, { name: 'Bulk Clinic', host: 'bulk.example' });
  await follow(page, 'Upload many Sites');
  await check(page, 'upload');
  await submit(page, 'Upload and check');
  await expectErrors(page, ['Choose a file']);
  await upload(page, { name: 'sites.pdf', mimeType: 'application/pdf', buffer: Buffer.from('%PDF-1.7\n\x00\x01') });
  await check(page, 'upload-not-a-table');

  const template = await download(page, 'CSV');
  const good = site('North Clinic');
  await upload(page, csv(template, [good, site('', { zip: '9450' }), site('West Clinic', { site_type: 'maybe' })]));
  const wrong = await told(page);
  for (const cell of [/3\s+site_name/, /3\s+zip\s+Enter a ZIP code/, /4\s+site_type/]) assert.match(wrong, cell);
  assert.match(wrong, /2 rows have something to fix\. Nothing was registered\./);
  await check(page, 'upload-errors');
  assert.equal(await sites(), 1, 'nothing of a wrong file');

  await upload(page, csv(template, [good, site('South Clinic'), site('Bulk Clinic')]));
  assert.match(await told(page), /Are these registered already\?[^]*Bulk Clinic/);
  await check(page, 'upload-preview');
  assert.equal(await sites(), 1, 'nothing before it is confirmed');
  await follow(page, 'Choose another file');
  await upload(page, csv(template, [good, site('South Clinic')]));
  await submit(page, 'Register 2 Sites');
  assert.equal(await heading(page), '2 Sites are registered');
  await check(page, 'upload-done');
  assert.equal(await sites(), 3);
  const made = fs.readFileSync(await download(page, 'Download the Site IDs (CSV)'), 'utf8');
  assert.match(made, /2,DE-\d{6},North Clinic,CAIRBA,DE-\d{6}-T/);

  await follow(page, 'Back to the organization');
  await follow(page, 'Upload many Sites');
  const sheet = await download(page, 'Excel (with help)');
  const filled = path.join(folder, 'filled.xlsx');
  execFileSync(path.join(work, 'venv/bin/python'), [path.join(here, 'filled_sheet.py'), sheet, filled, JSON.stringify([site('East Clinic')])]);
  await upload(page, filled);
  await submit(page, 'Register 1 Site');
  assert.match(await told(page), /East Clinic/);
  assert.equal(await sites(), 4);
});
