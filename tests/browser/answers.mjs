// Answers of invented people to the questions of a registration, by the labels on the pages.

const person = (first, last, email) => ({
  'First name': first,
  'Last name': last,
  Position: 'Office manager',
  Telephone: '(510) 555-0100',
  'Email address': email,
  'The same email address once more': email,
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

/** Answers to an enrolment, by the headings of its pages; `level` is the access level, `role` that of its one user. */
export function enrollment({ name, host, level, role }) {
  return {
    'What will your organization do in CAIR?': { 'Access level': level },
    'Which county is your organization in?': { 'ZIP code': '94501', County: 'Alameda' },
    'What is your organization?': {
      'Name of the organization': name,
      'Type of organization': level === 'Read-Only' ? 'School or school district' : 'Private practice or medical group',
      'Street address': '12 Invented Street',
      City: 'Alameda',
    },
    'Who is your primary CAIR contact?': person('Ana', 'Muster', `ana@${host}`),
    'Who is responsible for immunizations?': {
      'First name': 'Rosa',
      'Last name': 'Inventa',
      'Type of license': 'Physician and surgeon (MD)',
      'California license number': 'A12345',
    },
    'Which vaccines do you use?': {
      'Do you receive vaccine that the State supplies?': 'Yes',
      'Are you in the Vaccines for Children (VFC) program?': 'Yes',
      'VFC PIN': '012345',
    },
    'Who is your vaccine coordinator?': person('Vera', 'Exempla', `vera@${host}`),
    'Who is your primary VFC contact?': { 'The same person as the vaccine coordinator': true },
    'Who is your CAIR technical contact?': { 'The same person as the primary CAIR contact': true },
    'Is there another contact?': { 'There is another contact': 'No' },
    'Who will use CAIR? User 1': {
      'First name': 'Uma',
      'Last name': 'Anwender',
      'Email address': `uma@${host}`,
      'The same email address once more': `uma@${host}`,
      'What will this person do?': role,
      'Add another user?': 'No',
    },
    'Do you accept the access agreement?': {
      'I have read the agreement and accept it for the organization and its users': true,
      'Your full name': 'Ana Muster',
      'Your title': 'Principal',
    },
  };
}
