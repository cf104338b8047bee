// Answers of invented people to the questions of a registration, by the labels on the pages.

const person = (first, last, email) => ({
  'First name': first,
  'Last name': last,
  Position: 'Office manager',
  Telephone: '(510) 555-0100',
  'E-mail address': email,
  'The same e-mail address once more': email,
});

/** Answers to each page by its heading; `name` is the Site's, `host` that of the addresses. */
export function registration({ name, host, type, facility }) {
  return {
    'How will your Site send its data?': { 'Type of Site': type },
    'Which county is the Site in?': { 'ZIP code of the Site': '94501', County: 'Alameda' },
    'Who sends for you?': { 'ID or name of the Sending Facility': facility ?? '' },
    'Your organization and Site': {
      'Name of the organization': `${name} Group`,
      'Type of organization': 'Private practice or medical group',
      'Name of the Site': name,
      'Street address': '12 Invented Street',
      City: 'Alameda',
    },
    'Your organization': {
      'Name of the organization': `${name} Group`,
      'Type of organization': 'Health information exchange or organization (HIE, HIO)',
      'Name of the Sending Facility': name,
      'Street address': '1 Invented Plaza',
      City: 'Portland',
      State: 'Oregon',
      'ZIP code': '97201',
    },
    'Does the Site give immunizations?': { 'The Site gives immunizations': type.includes('Facility') && !facility ? 'No' : 'Yes' },
    'The lead clinician': {
      'First name': 'Rosa',
      'Last name': 'Inventa',
      'Type of license': 'Physician and surgeon (MD)',
      'California license number': 'A12345',
      'Specialty of the clinic': 'Pediatrics',
    },
    'The Site Contact': person('Ana', 'Muster', `ana@${host}`),
    'The Data Exchange Contact': person('Ben', 'Beispiel', `ben@${host}`),
    'Your EHR system': {
      'Product and version': 'ChartWell 7.2',
      Vendor: 'ChartWell',
      'Is it certified by ONC?': 'Yes',
      'Can it send HL7 v2.5.1 messages?': 'Yes',
    },
    'EHR support contact': { ...person('Cleo', 'Specimen', `cleo@${host}`), Position: undefined, Company: 'ChartWell' },
    'Meaningful use': { Stage: 'None' },
    'Access and confidentiality agreement': {
      'I have read the agreement and accept it for the organization': true,
      'Your full name': 'Ana Muster',
      'Your title': 'Office manager',
    },
  };
}
