// Messages of each kind that a Site shows in test before its review: invented people, nothing to find fault with.

import { vxu } from './support/sender.mjs';

const DOSE = /\|R01942X\|\d*\|MSD\^Merck and Co., Inc.\^MVX\|\|\|CP\|A/;
const AMOUNT = '|0.5|mL^milliliter^UCUM||00^New immunization record^NIP001|';

/** The message without what is only told of a dose that was given here. */
function notGiven(text) {
  const segments = text.split('\r').filter((one) => !/^(RXR|OBX|NTE)/.test(one));
  return segments.join('\r');
}

/** The message with another dose, of another vaccine. */
function withAnother(text) {
  const second = text
    .slice(text.indexOf('ORC|'))
    .replace(/^ORC\|RE\|\|([^^]*)\^/, 'ORC|RE||$1-2^')
    .replaceAll('03^MMR^CVX', '83^Hep A, ped/adol, 2 dose^CVX')
    .replace('R01942X', 'R02871B')
    .replace('C38299^Subcutaneous', 'C28161^Intramuscular');
  return `${text}${second}`;
}

/** How each kind is made from the template's message, a child's dose. */
const KINDS = {
  'child-dose': (text) => text,
  'adult-dose': (text) =>
    text
      .replace('|20190504|', '|19840504|')
      .replace('V02^VFC eligible - Medicaid/Medicaid Managed Care^HL70064', 'V01^Not VFC eligible^HL70064'),
  historical: (text) =>
    notGiven(text)
      .replace(/RXA\|0\|1\|\d{8}/, 'RXA|0|1|20250110')
      .replace(AMOUNT, '|999|||01^Historical information - source unspecified^NIP001|')
      .replace(/\|1234567893\^Okafor[^|]*\|\^\^\^[^|]*\|\|\|\|R01942X\|\d*\|MSD[^|]*\|/, '|||||||||'),
  refusal: (text) =>
    notGiven(text)
      .replace(AMOUNT, '|999||||')
      .replace(DOSE, '||||00^Parental decision^NIP002||RE|A')
      .replace(/\rORC\|RE\|\|[^^]*/, '\rORC|RE||9999'),
  update: (text) => text.replace('|CP|A', '|CP|U'),
  delete: (text) => text.replace('|CP|A', '|CP|D'),
  'several-doses': withAnother,
  protected: (text) => text.replace(/\|N\|(\d{8})\|\|\|A\|/, '|Y|$1|||A|'),
};

/** A message of each kind; `message` as `vxu` takes it. */
export function scenarios(message) {
  return Object.entries(KINDS).map(([kind, made]) => ({ kind, hl7: made(vxu(message)) }));
}
