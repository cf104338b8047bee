// The harness itself: what it must find, it finds. The pages are made here, good ones and bad ones.

import assert from 'node:assert/strict';
import http from 'node:http';
import { after } from 'node:test';

import { accessible, check, expectErrors, fill, follow, press, start, submit, tabTo, test, totp, visit } from './support.mjs';
import { takeProblems } from './support/browser.mjs';

const page = (body, { head = '<title>Trial</title>', lang = 'lang="en"' } = {}) =>
  `<!doctype html><html ${lang}><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
   <link rel="icon" href="data:,">${head}</head><body>${body}</body></html>`;

const FORM = (invalid, summary) => `<main><h1>Register</h1>${summary}<form method="post" action="/form" novalidate>
  <p><label for="name">Name of the Site</label> <input id="name" name="name" ${invalid}></p>
  <p id="name-error">${invalid ? 'Enter the name of the Site' : ''}</p>
  <p><label for="county">County <span>(optional)</span></label>
    <select id="county" name="county"><option>Choose</option><option value="06001">Alameda</option></select></p>
  <fieldset aria-describedby="kind-error"><legend>How does it send?</legend><p id="kind-error">${invalid ? 'Choose how it sends' : ''}</p>
    <label><input type="radio" id="kind" name="kind" value="d" ${invalid && 'aria-invalid="true"'}> By itself</label>
    <label><input type="radio" name="kind" value="t"> Through another</label></fieldset>
  <p><label><input type="checkbox" name="agree" value="yes"> I agree</label></p>
  <button>Continue</button></form></main>`;

const BAD_FORM = FORM(
  'aria-invalid="true" aria-describedby="name-error"',
  `<div class="error-summary"><h2>There is a problem</h2><ul><li><a href="#name">Enter the name of the Site</a></li>
   <li><a href="#kind">Choose how it sends</a></li></ul></div>`,
);

const PAGES = {
  '/good': page('<main><h1>Good</h1><p>Nothing is wrong here. <a href="/form">To the form</a></p></main>'),
  '/bare': page('<main><h1>One</h1><h1>Two</h1></main>', { head: '', lang: '' }),
  '/unlabelled': page('<main><h1>Bad</h1><input name="x"><img src="data:image/gif;base64,R0lGODlhAQABAAAAACw="></main>'),
  '/pale': page('<main><h1>Pale</h1><p style="color:#ccc;background:#fff">Hardly to be read</p></main>'),
  '/pale-in-the-dark': page(
    '<main><h1>Dark</h1><p>Text</p></main>',
    { head: '<title>Dark</title><style>@media (prefers-color-scheme: dark) { body { background: #222 } }</style>' },
  ),
  '/wide': page('<main><h1>Wide</h1><div id="long" style="width:600px">Too wide for a phone</div></main>'),
  '/cut-off': page('<main style="overflow-x:auto"><h1>Table</h1><div style="width:900px">Scrolls in its frame</div></main>'),
  '/elsewhere': page('<main><h1>Elsewhere</h1><img alt="" src="https://example.org/pixel.gif"></main>'),
  '/inline': page('<main><h1 style="color:red">Inline</h1></main>'),
  '/script': page('<main><h1>Script</h1></main><script>console.error("broken"); throw new Error("thrown")</script>'),
  '/missing-part': page('<main><h1>Part</h1></main>', { head: '<title>Part</title><link rel="stylesheet" href="/no.css">' }),
  '/form': page(FORM('', '')),
  '/lost-focus': page(
    '<main><h1>Focus</h1><p><a href="/good" class="quiet">Quiet</a></p></main>',
    { head: '<title>Focus</title><style>.quiet:focus { outline: none }</style>' },
  ),
  '/loud': page(BAD_FORM),
  '/dumb': page(BAD_FORM.replaceAll('aria-describedby', 'data-x')),
  '/dead-end': page(BAD_FORM.replace('href="#name"', 'href="#nowhere"')),
};
const HEADERS = { '/inline': { 'Content-Security-Policy': "default-src 'none'; img-src data:" } };

const server = http.createServer((request, response) => {
  const { pathname } = new URL(request.url, 'http://localhost');
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => {
    const form = new URLSearchParams(Buffer.concat(chunks).toString());
    const headers = { 'Content-Type': 'text/html; charset=utf-8', ...HEADERS[pathname] };
    if (request.method === 'POST' && form.get('name')) {
      response.writeHead(200, headers).end(page(`<main><h1>Thanks</h1><pre>${form}</pre></main>`));
    } else if (request.method === 'POST') {
      response.writeHead(422, headers).end(page(BAD_FORM));
    } else {
      response.writeHead(PAGES[pathname] ? 200 : 404, headers).end(PAGES[pathname] ?? page('<main><h1>Not found</h1></main>'));
    }
  });
});
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
after(() => server.close());
const world = await start({ site: `http://localhost:${server.address().port}` });

world.test('a good page passes, and its pictures are kept', async (page) => {
  await visit(page, '/good');

  await check(page, 'harness-good');
});

world.test('a page is checked with JavaScript switched off, too', { phone: true, script: false }, async (page) => {
  await visit(page, '/good');
  await check(page, 'harness-good-phone');

  await visit(page, '/wide');
  await assert.rejects(check(page, 'harness-wide-phone'), /wider than 390 px: 6\d\d/);
});

const FINDINGS = {
  '/bare': [/no <title>/, /lang of the page is ""/, /one h1 is expected: \["One","Two"\]/, /axe desktop: html-has-lang/],
  '/unlabelled': [/axe desktop: label \(critical\)/, /axe phone: image-alt \(critical\)/],
  '/pale': [/axe desktop: color-contrast \(serious\)/],
  '/pale-in-the-dark': [/axe dark: color-contrast \(serious\)/],
  '/wide': [/wider than 390 px: 6\d\d; <div id="long">/],
  '/elsewhere': [/request to elsewhere: https:\/\/example\.org/, /request failed/],
  '/inline': [/CSP violation/],
  '/script': [/console error: broken/, /exception: thrown/],
  '/missing-part': [/console error: .*404.*no\.css/],
};
for (const [path, findings] of Object.entries(FINDINGS)) {
  world.test(`the check refuses ${path}`, async (page) => {
    await visit(page, path);

    const error = await check(page, `harness-bad${path.replace('/', '-')}`).then(
      () => assert.fail('it passed'),
      (error) => error,
    );
    for (const finding of findings) assert.match(error.message, finding);
  });
}

world.test('a table that scrolls inside its frame is not too wide', async (page) => {
  await visit(page, '/cut-off');

  const error = await check(page, 'harness-cut-off').catch((error) => error);
  assert.doesNotMatch(error?.message ?? '', /wider than/);
});

test('what went wrong in a page that was never checked is known at the end', async () => {
  const page = await world.page();
  await visit(page, '/script');

  assert.deepEqual(
    takeProblems(page).map((one) => one.split(' (')[0]),
    ['console error: broken', 'exception: thrown'],
  );
  await page.context().close();
});

world.test('a form is filled by its labels', async (page) => {
  await visit(page, '/form');
  await fill(page, { 'Name of the Site': 'Larkspur', County: 'Alameda', 'How does it send?': 'Through another', 'I agree': true });
  const response = await submit(page, 'Continue');

  assert.equal(response.status(), 200);
  assert.equal(await page.locator('pre').innerText(), 'name=Larkspur&county=06001&kind=t&agree=yes');
  await assert.rejects(fill(page, { Phone: '1' }), /no visible field is labelled "Phone"/);
});

world.test('errors lead to their fields, and a 422 is no console error', async (page) => {
  await visit(page, '/good');
  await follow(page, 'To the form');
  const response = await submit(page, 'Continue');

  assert.equal(response.status(), 422);
  await expectErrors(page, ['Enter the name of the Site', 'Choose how it sends']);
  await check(page, 'harness-errors');
});

world.test('errors that are not tied to their fields are refused', async (page) => {
  const both = ['Enter the name of the Site', 'Choose how it sends'];
  await visit(page, '/loud');
  await assert.rejects(expectErrors(page, both.slice(0, 1)), /Choose how it sends/);
  await visit(page, '/dumb');
  await assert.rejects(expectErrors(page, both), /aria-describedby of #name says/);
  await visit(page, '/dead-end');
  await assert.rejects(expectErrors(page, both), /leads to #nowhere, which is not there/);
  await visit(page, '/form');
  await assert.rejects(expectErrors(page, both), /one visible \.error-summary/);
});

world.test('a form is filled with the keyboard alone', { script: false }, async (page) => {
  await visit(page, '/form');
  await tabTo(page, 'Name of the Site', { role: 'textbox' });
  await page.keyboard.type('Larkspur');
  await tabTo(page, 'By itself');
  await press(page, 'ArrowDown');
  assert.deepEqual(await accessible(page), { role: 'radio', name: 'Through another' });
  await tabTo(page, 'I agree');
  await press(page, 'Space');
  await tabTo(page, 'Continue', { role: 'button' });
  await press(page, 'Enter', { leaves: true });

  assert.match(await page.locator('pre').innerText(), /name=Larkspur&county=Choose&kind=t&agree=yes/);
});

world.test('a focus that cannot be seen, or is never reached, is refused', async (page) => {
  await visit(page, '/lost-focus');
  await assert.rejects(tabTo(page, 'Quiet'), /nothing shows that the focus is on link "Quiet"/);
  await visit(page, '/good');
  await assert.rejects(tabTo(page, 'Quiet', { limit: 4 }), /Tab does not come to .*stops: link "To the form"/);
});

test('codes of an authenticator app are those of RFC 6238, appendix B', () => {
  const secret = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ';
  const codes = { 59: '94287082', 1111111109: '07081804', 1111111111: '14050471', 1234567890: '89005924', 2000000000: '69279037', 20000000000: '65353130' };
  for (const [second, code] of Object.entries(codes)) {
    assert.equal(totp(secret, { at: second * 1000, digits: 8 }), code);
  }
  const link = `otpauth://totp/IZ%20Portal:ana?secret=${secret}&issuer=IZ%20Portal`;
  assert.equal(totp(link, { at: 59_000 }), '287082');
  assert.equal(totp(secret, { at: 29_000, step: 1 }), totp(secret, { at: 59_000 }));
});
