// The dashboard and the public page of the state, with a year of invented counts and a registry that is stopped.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import path from 'node:path';

import { check, expectErrors, fill, follow, start, submit, visit } from './support.mjs';
import { heading, registered, staff, told } from './walks.mjs';
import { here } from './support/work.mjs';

const world = await start();

let desk;

world.test('one look says how the Gateway is', { seconds: 240 }, async (visitor) => {
  const { page, site } = await registered(world, { name: 'Larkspur', host: 'larkspur.example' });
  const home = new URL(page.url()).pathname;
  await page.context().close();
  ({ page: desk } = await staff(world, 'olga@cdph.example', 'administrator'));
  await visit(desk, '/staff');
  await follow(desk, 'See the dashboard');
  assert.equal(await heading(desk), 'How is the Gateway?');
  assert.match(await told(desk), /All 14 destinations are running\./);
  await check(desk, 'dashboard-quiet');

  const database = path.join(world.portal.config.data_dir, 'izportal.db');
  execFileSync('python3', [path.join(here, 'tallies.py'), database, home.split('/').pop(), site]);
  await world.portal.admin('delivery', 'pause', 'CAIRBA', 'production', '--reason', 'The registry moves house');
  await visit(visitor, '/status');
  await check(visitor, 'status');
  await desk.waitForTimeout(1_500); // the service looks each second
  for (const [name, word] of [['Last 24 hours', '24h'], ['Last 7 days', '7d'], ['Last 30 days', '30d']]) {
    await fill(desk, { Time: name });
    await submit(desk, 'Show');
    assert.match(await told(desk), /1 of 14 destinations is stopped\./);
    assert.equal(await desk.getByRole('img').count(), 2, 'each chart is an image with a name');
    await desk.getByText('The numbers of the charts').click();
    await check(desk, `dashboard-${word}`);
  }
  assert.equal(await desk.locator('meta[http-equiv=refresh]').count(), 0);
  await follow(desk, 'Load by itself every minute, for an hour');
  assert.equal(await desk.locator('meta[http-equiv=refresh]').count(), 1);
  await follow(desk, 'Stop loading by itself');
  assert.equal(await desk.locator('meta[http-equiv=refresh]').count(), 0);
});

const ALERTS = `
import datetime, sqlite3, sys
conn = sqlite3.connect(sys.argv[1], timeout=30)
now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
ago = lambda hours: (now - datetime.timedelta(hours=hours)).strftime("%Y-%m-%d %H:%M:%S")
rows = [
    ("MessagesRefused", "Los Angeles production", "CAIRLO", "In the last 15 minutes 30 of 40 submissions were refused (75 %).", ago(30), ago(30), ago(28)),
    ("DeliveriesParked", "Bay Area production", "CAIRBA", "2 messages wait until an operator decides.", ago(50), ago(50), ago(3)),
    ("CertificateEnds", "server", None, "It ends on December 10, 2026, 4:00 p.m. PT.", ago(2), ago(2), None),
]
conn.executemany("INSERT INTO alert (kind, subject, region, words, since, told_at, cleared_at) VALUES (?,?,?,?,?,?,?)", rows)
conn.commit()
`;

world.test('an alert is taken on and muted', { seconds: 240 }, async () => {
  const database = path.join(world.portal.config.data_dir, 'izportal.db');
  await visit(desk, '/staff/alerts');
  await check(desk, 'alerts-none');
  execFileSync('python3', ['-c', ALERTS, database]);
  await visit(desk, '/staff/dashboard');
  await follow(desk, 'A certificate ends (server)');
  await check(desk, 'alert');
  await submit(desk, 'Take the alert on');
  await expectErrors(desk, ['Write what you do about it, in a few words']);
  await check(desk, 'alert-error');
  await fill(desk, { 'What do you do about it?': 'I have asked for another one.' });
  await submit(desk, 'Take the alert on');
  assert.match(await told(desk), /You have taken the alert on\./);
  await submit(desk, 'Mute the alert');
  assert.match(await told(desk), /Nobody is told of this alert until then\./);
  await check(desk, 'alert-muted');
  await follow(desk, 'All alerts');
  await check(desk, 'alerts');
});

world.test('a notice is looked at, published, and stands above pages', { seconds: 240 }, async (visitor) => {
  await visit(desk, '/staff/notices');
  await check(desk, 'notices-none');
  await follow(desk, 'Write a notice');
  await submit(desk, 'See how it looks');
  await expectErrors(desk, ['Write what it is about, in a few words', 'Write what people should know or do']);
  await check(desk, 'notice-errors');
  await fill(desk, {
    Title: 'Answers take longer',
    'What should people know or do?': 'The registry of the Bay Area is slow today.\nThere is nothing to do: <b>nothing is lost</b>.',
    Kind: 'Warning',
    'Who sees it?': 'Everybody',
  });
  await submit(desk, 'See how it looks');
  await check(desk, 'notice-preview');
  await submit(desk, 'Publish it');
  assert.match(await told(desk), /The notice is kept/);
  await check(desk, 'notices');
  await visit(visitor, '/');
  assert.match(await visitor.getByRole('region', { name: 'Notices' }).innerText(), /Answers take longer/);
  await check(visitor, 'landing-with-notice');
  await visit(visitor, '/status');
  await check(visitor, 'status-with-notice');
});
