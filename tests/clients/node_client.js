// node-soap against a running server: node node_client.js READY_JSON 1.1|1.2
'use strict';

const axios = require('axios');
const crypto = require('crypto');
const fs = require('fs');
const https = require('https');
const path = require('path');
const soap = require('soap');

const ready = JSON.parse(fs.readFileSync(process.argv[2], 'utf8'));
const version = process.argv[3];
const sender = ready.senders.find((s) => s.environment === 'test');

class FaultSeen extends Error {
  constructor(element, reason) {
    super(`fault ${element} with Reason '${reason}'`);
    this.element = element;
    this.reason = reason;
  }
}

function controlId() {
  return `node${version.replace('.', '')}-${crypto.randomBytes(6).toString('hex')}`;
}

function digits(date) {
  const two = (n) => String(n).padStart(2, '0');
  return date.getUTCFullYear() + [date.getUTCMonth() + 1, date.getUTCDate()].map(two).join('');
}

function vxu(id, { end = '\r', lastEnd = true, ...text } = {}) {
  const now = new Date();
  const values = {
    control_id: id,
    facility: sender.facility_id,
    site: sender.site_id,
    region: sender.region,
    processing: 'T',
    now: `${digits(now)}${now.toISOString().slice(11, 19).replaceAll(':', '')}+0000`,
    today: digits(now),
    expires: `${now.getUTCFullYear() + 1}1231`,
    family: 'Ibarra',
    note: 'given at the clinic',
    ...text,
  };
  const template = fs.readFileSync(path.join(__dirname, 'vxu.hl7'), 'utf8').trim();
  const message = template
    .replaceAll('\n', end)
    .replace(/\{\{(\w+)\}\}/g, (_whole, name) => values[name]);
  return lastEnd ? message + end : message;
}

async function call(operation, args) {
  try {
    const [result] = await operation(args);
    return result.return;
  } catch (error) {
    const fault = error.root?.Envelope?.Body?.Fault;
    const detail = fault?.Detail ?? fault?.detail;
    if (!detail) throw error;
    const [element] = Object.keys(detail).filter((key) => key !== 'attributes');
    const reason = detail[element].Reason;
    throw new FaultSeen(element, reason?.$value ?? reason);
  }
}

async function main() {
  const client = await soap.createClientAsync(ready.wsdl, {
    forceSoap12Headers: version === '1.2',
    request: axios.create({
      httpsAgent: new https.Agent({ ca: fs.readFileSync(ready.ca) }),
      maxBodyLength: Infinity,
      proxy: false,
      timeout: 60000,
    }),
  });

  const submit = (message, password = sender.password) =>
    call(client.submitSingleMessageAsync, {
      username: sender.username,
      password,
      facilityID: sender.facility_id,
      hl7Message: message,
    });

  async function acknowledged({ codes = ['AA'], ...options } = {}) {
    const sentId = controlId();
    const reply = await submit(vxu(sentId, options));
    const headers = reply.split('MSH|').length - 1;
    if (headers !== 1) return `${headers} MSH in the reply`;
    const segments = reply.split(/[\r\n]+/);
    const msa = (segments.find((s) => s.startsWith('MSA|')) ?? 'MSA||').split('|');
    if (!codes.includes(msa[1])) {
      return `MSA-1 is '${msa[1]}', ${segments.filter((s) => s.startsWith('ERR|')).join(' ')}`;
    }
    return msa[2] === sentId ? null : `MSA-2 is '${msa[2]}', sent '${sentId}'`;
  }

  async function refused(element, reason, message, password) {
    try {
      await submit(message, password);
    } catch (fault) {
      if (!(fault instanceof FaultSeen)) throw fault;
      return fault.element === element && fault.reason === reason ? null : fault.message;
    }
    return 'accepted';
  }

  const cases = {
    async connectivity() {
      const text = fs.readFileSync(path.join(__dirname, 'echo.txt'), 'utf8');
      const cameBack = await call(client.connectivityTestAsync, { echoBack: text });
      return cameBack === text ? null : `came back as '${cameBack}'`;
    },
    submit: () => acknowledged(),
    submit_lf: () => acknowledged({ end: '\n' }),
    submit_crlf: () => acknowledged({ end: '\r\n' }),
    submit_cr: () => acknowledged({ end: '\r', lastEnd: false }),
    // A registry may warn of letters outside A-Z in a name; the message is kept all the same.
    non_ascii: () => acknowledged({ codes: ['AA', 'AE'], family: 'Núñez-李' }),
    markup: () => acknowledged({ note: '2 < 3 > 1 ]]> Sample \\T\\ Sons <b>' }),
    wrong_password: () => refused('SecurityFault', 'Security', vxu(controlId()), 'not the password'),
    two_messages: () =>
      refused('MessageTooLargeFault', 'MessageTooLarge', vxu(controlId()) + vxu(controlId())),
    oversize: () =>
      refused(
        'MessageTooLargeFault',
        'MessageTooLarge',
        vxu(controlId(), { note: 'x'.repeat(2_000_000) }),
      ),
  };

  let failed = false;
  for (const [name, run] of Object.entries(cases)) {
    const why = await run().catch((error) => `${error.name}: ${error.message}`);
    failed ||= why !== null;
    console.log(
      why === null ? `ok ${name}` : `FAIL ${name}: ${why.replace(/\s+/g, ' ').slice(0, 300)}`,
    );
  }
  process.exitCode = failed ? 1 : 0;
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
