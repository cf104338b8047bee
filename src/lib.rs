//! izportal: the CDPH Immunization Gateway and IZ Portal.
//!
//! One library and one thin binary. The modules stand on floors and import downwards only; `tests/it/floors.rs` holds the
//! table. `ARCHITECTURE.md` walks through one submission from the socket to the registry and back.
//!
//! ```text
//!  7  cli  app  server  config  telemetry    composition: knows everything, decides nothing
//!  6  endpoint  portal  loopback             edges: HTTP in, HTTP out
//!  5  gateway  sites  send                   what happens to messages | to Sites and people
//!  4  backends  conformance  mail  hooks     the outside world, by meaning
//!  3  validation  store  client  paper       services: rules, SQL, SOAP over TLS, what is printed
//!  2  domain                                 the words of the trade
//!  1  hl7  soap                              wire formats
//! ```

pub mod app;
pub mod cli;
pub mod config;
pub mod server;
pub mod telemetry;

pub mod endpoint;
pub mod loopback;
pub mod portal;

pub mod gateway;
pub mod send;
pub mod sites;

pub mod backends;
pub mod conformance;
pub mod hooks;
pub mod mail;

pub mod client;
pub mod paper;
pub mod store;
pub mod validation;

pub mod domain;

pub mod hl7;
pub mod soap;
