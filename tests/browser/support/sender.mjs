// An EHR system that submits: an immunization of an invented child, and the SOAP call.

import crypto from 'node:crypto';
import fs from 'node:fs';
import https from 'node:https';
import path from 'node:path';

import { root } from './work.mjs';

const TEMPLATE = path.join(root, 'tests/clients/vxu.hl7');

/**
 * A VXU of an invented child, who is another one for each control ID. `facility` is MSH-4 (the sender's facilityID; the
 * Site's own if not told), `site` MSH-22, `region` MSH-6, `processing` MSH-11; `family` and `note` are free text.
 */
export function vxu({ site, region, facility = site, processing = 'T', controlId = newControlId(), end = '\r', ...text }) {
  const now = new Date();
  const values = {
    control_id: controlId,
    facility,
    site,
    region,
    processing,
    now: `${digits(now)}${now.toISOString().slice(11, 19).replaceAll(':', '')}+0000`,
    today: digits(now),
    expires: `${now.getUTCFullYear() + 1}1231`,
    family: 'Ibarra',
    note: 'given at the clinic',
    ...text,
  };
  const message = fs
    .readFileSync(TEMPLATE, 'utf8')
    .trim()
    .replace('CT-4711^', `${controlId}^`)
    .replace(/\{\{(\w+)\}\}/g, (_whole, name) => {
      if (values[name] === undefined) throw new Error(`a VXU needs ${name}`);
      return values[name];
    });
  return `${message}\n`.replaceAll('\n', end);
}

export function newControlId() {
  return `BROWSER-${crypto.randomBytes(5).toString('hex')}`;
}

function digits(date) {
  return date.toISOString().slice(0, 10).replaceAll('-', '');
}

/**
 * Calls submitSingleMessage as SOAP 1.2 over TLS that it verifies with `ca` (a file). Gives `status` and either `ack`
 * (`code` and `controlId` of MSA, `errors` as ERR segments, `text`) or `fault` (`element`, `code`, `reason`, `text`).
 */
export async function soapSubmit({ endpoint, ca, username, password, facility, hl7 }) {
  const fields = { username, password, facilityID: facility, hl7Message: hl7 };
  const children = Object.entries(fields).map(([name, value]) => `<${name}>${escaped(value)}</${name}>`);
  const envelope =
    '<env:Envelope xmlns:env="http://www.w3.org/2003/05/soap-envelope"><env:Body>' +
    `<submitSingleMessage xmlns="urn:cdc:iisb:2011">${children.join('')}</submitSingleMessage></env:Body></env:Envelope>`;
  const { status, body } = await post(endpoint, ca, envelope);
  const returned = /<(?:\w+:)?return\b[^>]*>([^]*?)<\/(?:\w+:)?return>/.exec(body);
  if (returned) {
    const text = unescaped(returned[1]);
    const segments = text.split(/[\r\n]+/).filter(Boolean);
    const msa = (segments.find((one) => one.startsWith('MSA|')) ?? 'MSA||').split('|');
    const errors = segments.filter((one) => one.startsWith('ERR|'));
    return { status, ack: { code: msa[1], controlId: msa[2], errors, segments, text } };
  }
  const detail = /<(?:\w+:)?[Dd]etail\b[^>]*>\s*<(?:\w+:)?(\w+)[^>]*>([^]*?)<\/(?:\w+:)?[Dd]etail>/.exec(body);
  if (!detail) throw new Error(`neither a return nor a fault, status ${status}: ${body.slice(0, 500)}`);
  const child = (name) => unescaped(new RegExp(`<(?:\\w+:)?${name}\\b[^>]*>([^<]*)<`).exec(detail[2])?.[1] ?? '');
  return { status, fault: { element: detail[1], code: child('Code'), reason: child('Reason'), text: child('Detail') } };
}

function post(endpoint, ca, body) {
  return new Promise((resolve, reject) => {
    const headers = { 'Content-Type': 'application/soap+xml; charset=utf-8', 'Content-Length': Buffer.byteLength(body) };
    const options = { method: 'POST', ca: fs.readFileSync(ca), headers, agent: false, timeout: 60_000 };
    const request = https.request(endpoint, options, (response) => {
      const chunks = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => resolve({ status: response.statusCode, body: Buffer.concat(chunks).toString('utf8') }));
    });
    request.on('timeout', () => request.destroy(new Error('no answer within a minute')));
    request.on('error', reject);
    request.end(body);
  });
}

/** Carriage returns as references: XML would turn them into line feeds. */
function escaped(text) {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('\r', '&#13;');
}

function unescaped(text) {
  const names = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" };
  return text.replace(/&(?:#x([0-9a-f]+)|#(\d+)|(\w+));/gi, (whole, hex, decimal, name) =>
    name ? (names[name] ?? whole) : String.fromCodePoint(hex ? parseInt(hex, 16) : Number(decimal)),
  );
}
