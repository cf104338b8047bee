// How scripts/browser reports: one line per case, why a case failed, a total. No case at all is a failure, too.

import path from 'node:path';

export default async function* report(events) {
  const counts = { pass: 0, FAIL: 0, SKIP: 0 };
  const said = new Map();
  for await (const { type, data } of events) {
    if (type === 'test:stdout') yield data.message;
    if (type === 'test:stderr') said.set(data.file, (said.get(data.file) ?? '') + data.message);
    if (type !== 'test:pass' && type !== 'test:fail') continue;
    // Node reports a file as a test, too: it says something only when the file itself is broken.
    const isFile = /\.mjs$/.test(data.name);
    const skipped = data.skip !== undefined || data.todo !== undefined;
    const result = skipped ? 'SKIP' : type === 'test:pass' ? 'pass' : 'FAIL';
    if (isFile && (result === 'pass' || data.details.error?.failureType === 'subtestsFailed')) continue;
    counts[result] += 1;
    const [, file, name] = isFile
      ? [null, path.basename(data.name, '.test.mjs'), '(whole file)']
      : (/^([\w-]+): ([^]*)$/.exec(data.name) ?? [null, '', data.name]);
    yield `${file.padEnd(17)} ${name.padEnd(80)} ${result} ${(data.details.duration_ms / 1000).toFixed(1)} s\n`;
    if (result === 'FAIL') yield `${indented(cause(data.details.error))}\n`;
    if (result === 'FAIL' && isFile && said.has(data.name)) yield `${indented(said.get(data.name).trimEnd())}\n`;
  }
  yield `\nbrowser: ${counts.pass} passed, ${counts.FAIL} failed${counts.SKIP ? `, ${counts.SKIP} SKIPPED` : ''}\n`;
  if (counts.pass === 0) process.exitCode = 1;
}

/** What a test threw, which Node wraps, and where in our files. */
function cause(error) {
  const thrown = error?.cause ?? error;
  if (typeof thrown !== 'object' || thrown === null) return String(thrown);
  const at = (thrown.stack ?? '').split('\n').filter((line) => /^\s+at .*tests\/browser.*:\d+:\d+\)?$/.test(line));
  return [thrown.message, ...at].join('\n');
}

function indented(text) {
  return text.split('\n').map((line) => `    ${line}`).join('\n');
}
