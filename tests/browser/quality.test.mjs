// Data quality over a year of invented counts, and the console of a Sending Facility with sixty clients.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import path from 'node:path';

import { check, expectErrors, fill, follow, start, submit, visit } from './support.mjs';
import { heading, registered, staff, told } from './walks.mjs';
import { here } from './support/work.mjs';

const world = await start();

let page;
let home;
let site;

world.test('without messages the page says so, with a year of them it charts them', { seconds: 240 }, async () => {
  ({ page, site } = await registered(world, { name: 'Larkspur', host: 'larkspur.example' }));
  home = new URL(page.url()).pathname;
  await follow(page, 'Data quality');
  assert.match(await told(page), /No messages yet/);
  await check(page, 'quality-none');

  const database = path.join(world.portal.config.data_dir, 'izportal.db');
  execFileSync('python3', [path.join(here, 'tallies.py'), database, home.split('/').pop(), site]);
  const quality = `${home}/sites/${site}/quality`;
  await visit(page, `${quality}?environment=production&days=30`);
  assert.equal(await page.getByRole('img').count(), 5, 'each chart is an image with a name');
  await check(page, 'quality-site');
  for (const days of [7, 90, 364]) {
    await fill(page, { Time: { 7: '7 days', 90: '90 days', 364: 'A year (52 weeks)' }[days] });
    await submit(page, 'Show');
    assert.match(page.url(), new RegExp(`days=${days}`));
    await page.getByText(/^The numbers, /).click();
    await check(page, `quality-site-${days}`);
  }
  const [got] = await Promise.all([page.waitForEvent('download'), page.getByRole('link', { name: 'Download completeness (CSV)' }).click()]);
  assert.match(got.suggestedFilename(), /^quality-de-\d+-elements-\d{4}-\d\d-\d\d\.csv$/);
});

world.test('a Sending Facility finds its clients, and changes several links at one time', { seconds: 240 }, async () => {
  await visit(page, home);
  await follow(page, 'Clients');
  assert.match(await told(page), /60 of 60 clients/);
  await check(page, 'clients');
  await fill(page, { 'Sort by': 'Lowest share accepted', Show: 'Messages refused or with findings' });
  await submit(page, 'Show');
  await check(page, 'clients-worst');
  await page.locator('tbody th a').first().click();
  assert.match(await told(page), /What SF-000900 sent for this Site/);
  await check(page, 'client');

  await follow(page, 'All clients');
  await follow(page, 'Look at them');
  for (const box of await page.getByRole('checkbox').all()) await box.check();
  await check(page, 'clients-chosen');
  await submit(page, 'Accept the chosen');
  assert.equal(await heading(page), 'Send for these Sites?');
  await check(page, 'clients-accept');
  await submit(page, /^Send for all/);
  assert.match(await told(page), /You send for these Sites from now on\./);

  await page.getByRole('checkbox').first().check();
  await submit(page, 'End or decline the chosen');
  await submit(page, 'End or decline it');
  await expectErrors(page, ['Say why: the other side reads it']);
  await check(page, 'clients-end-error');
  await fill(page, { Reason: 'The contract ended.' });
  await submit(page, 'End or decline it');
  assert.match(await told(page), /You do not send for these Sites any more\./);
});

world.test('staff compare regions, vendors, Sending Facilities and Sites', { seconds: 240 }, async () => {
  const { page: desk } = await staff(world, 'olga@cdph.example', 'onboarding');
  await visit(desk, '/staff');
  await follow(desk, 'Data quality');
  await check(desk, 'staff-quality');
  for (const kind of ['EHR vendors', 'Sending Facilities', 'Sites of a region']) {
    await fill(desk, { Compare: kind });
    await submit(desk, 'Show');
    await check(desk, `staff-quality-${kind.split(' ')[0].toLowerCase()}`);
  }
  await fill(desk, { Compare: 'EHR vendors' });
  await submit(desk, 'Show');
  await follow(desk, 'Other EHR & Co.');
  assert.equal(await heading(desk), 'Data quality of Other EHR & Co.');
  await check(desk, 'staff-quality-vendor');
});
