//! The one integration program. Every test goes through a TLS socket, the binary or the store's door, on the database that
//! `TEST_POSTGRES_URL` names or, without it, on a SQLite file of its own.
//!
//! - `account_pages`: the pages of accounts: bad input, strangers, second factors
//! - `accounts`: signing in, second factors, links, staff, users of organizations, below their pages
//! - `access`: every role on every route of the portal
//! - `adapters`: each dialect of a registry against a real peer, and what a failure is taken for
//! - `alerts`: each is told once when it begins and once when it is over, and shown
//! - `audit`: who did what, complete, without secrets, not to be changed unnoticed
//! - `behaviours`: every way in which a registry can misbehave, through the whole Gateway
//! - `bulk`: many Sites from one file, all or nothing
//! - `cli`: the real binary: demo, admin, migrate, check-config, exit codes
//! - `clients`: the recorded shapes of real client stacks
//! - `clients_console`: the clients of a Sending Facility: its numbers, links changed by the dozen
//! - `codes`: code tables are checked, loaded, listed, and taken by the service
//! - `conformance`: the whole suite against our own service
//! - `conformance_cli`: the command as a tester runs it: reports, presets, exit codes, the examples of its help
//! - `conformance_matrix`: each rule has a defect that it alone finds
//! - `conformance_serve`: senders are judged: every rule is broken by a request that keeps all others
//! - `corpus`: every real message is read as declared and written back byte for byte
//! - `credentials`: who gets in, rotation, revocation, throttling, client certificates
//! - `crash`: killed at each point where something becomes durable, and at random under load
//! - `dashboard`: how every destination is, for staff and for everybody
//! - `delivery`: relay, queue, late and broken registries, drain, crash
//! - `delivery_pages`: registries at the desks of staff: seen, paused, set up anew; messages sent again
//! - `desk`: the audit trail, the outbox, the letters of a trial, claims of Sites
//! - `egress`: where the Gateway calls, and whom it believes there
//! - `endurance`: what waits after an outage or a restart, nodes that die, many calls under way
//! - `enrolment`: access without an EHR, page by page, up to the queue of staff
//! - `envelopes`: the shapes that a right call may have, and the shape of its reply
//! - `faults`: what is wrong with a call, and the fault that says so
//! - `floors`: modules import downwards only
//! - `mail`: letters leave once, come again, bounce, are held; nothing of them is told elsewhere
//! - `messages`: the page of a Site, its messages, who sees their text; a look is bounded
//! - `onboarding`: the board, the way of a Site through review and approval, statements about meaningful use
//! - `operations`: alerts, their run-book and the metrics behind them belong together
//! - `organization`: what its people change, what waits for staff, and what is not theirs
//! - `outage`: the database cannot be written, the disk is full
//! - `outcome`: what became of a message, asked by its sender
//! - `pages`: what a browser or a prober gets: the page, health, metrics, what is not there
//! - `privacy`: a canary patient in no log, metric, fault or file
//! - `progress`: messages are counted, Sites move by themselves as far as they may, and by two people into production
//! - `quality`: pages about data quality show what was sent, to whom it belongs
//! - `quality_suite`: the quality suite of MQE, against a reviewed list of what is to be found
//! - `queries`: relayed while the sender waits, unchanged, never repeated
//! - `queue`: order, failure classes, breaker, pause, drain, maintenance, review
//! - `registry`: the loopback registry misbehaves as it is told
//! - `routing`: Site, region, environment; refusals with their ERR
//! - `send`: many messages by `izportal send`: input, answers, resuming, order, what it says
//! - `send_unattended`: `izportal send` killed at random, and watching a folder
//! - `staff`: what waits is decided, accounts are helped, and who may do it
//! - `status_letters`: letters about Sites, each once, as their readers chose, nothing of a patient in any
//! - `store`: migrations, what is written is read back, backup, keys
//! - `submit`: a good call and its reply; idempotency
//! - `system_notices`: notices of CDPH above the pages of those whom they are for
//! - `transport`: HTTP and TLS under a call
//! - `validate`: messages judged without sending them, the list of rules, the pages that show both
//! - `webhooks`: programs are told, signed, again until they have it, never inside, never of a patient
//! - `wsdl`: the description that is served
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic,
    reason = "helpers of tests are not tests in the eyes of clippy"
)]

mod support;

mod access;
mod account_pages;
mod accounts;
mod adapters;
mod alerts;
mod api;
mod audit;
mod behaviours;
mod bulk;
mod cli;
mod clients;
mod clients_console;
mod codes;
mod conformance;
mod conformance_cli;
mod conformance_matrix;
mod conformance_serve;
mod corpus;
mod crash;
mod credentials;
mod dashboard;
mod delivery;
mod delivery_pages;
mod desk;
mod egress;
mod endurance;
mod enrolment;
mod envelopes;
mod faults;
mod floors;
mod mail;
mod messages;
mod nist;
mod onboarding;
mod operations;
mod organization;
mod outage;
mod outcome;
mod pages;
mod privacy;
mod progress;
mod quality;
mod quality_suite;
mod queries;
mod queue;
mod registration;
mod registry;
mod routing;
mod send;
mod send_unattended;
mod staff;
mod status_letters;
mod store;
mod submit;
mod system_notices;
mod transport;
mod validate;
mod validate_page;
mod webhooks;
mod wsdl;
