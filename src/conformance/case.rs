//! The cases as data: what is sent, what is expected, where it is written. They stand in `schemas/conformance`.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use crate::conformance::verdict::Weight;

/// A group of cases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Suite {
    /// Calls that must be taken, however real clients spell them.
    Transport,
    /// Calls that must be refused, and with what.
    Faults,
    /// What is said about HL7 messages, good ones and bad ones.
    Hl7,
    /// Probes of what an attacker would try, harmless each.
    Security,
}

impl Suite {
    /// All of them in the order in which they are run.
    pub const ALL: [Self; 4] = [Self::Transport, Self::Faults, Self::Hl7, Self::Security];

    /// Its name.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Transport => "transport",
            Self::Faults => "faults",
            Self::Hl7 => "hl7",
            Self::Security => "security",
        }
    }

    const fn source(self) -> &'static str {
        match self {
            Self::Transport => include_str!("../../schemas/conformance/transport.toml"),
            Self::Faults => include_str!("../../schemas/conformance/faults.toml"),
            Self::Hl7 => include_str!("../../schemas/conformance/hl7.toml"),
            Self::Security => include_str!("../../schemas/conformance/security.toml"),
        }
    }
}

impl fmt::Display for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A version of SOAP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Soap {
    /// SOAP 1.1.
    #[serde(rename = "1.1")]
    V11,
    /// SOAP 1.2.
    #[serde(rename = "1.2")]
    V12,
}

impl Soap {
    /// The namespace of its envelope.
    pub const fn namespace(self) -> &'static str {
        match self {
            Self::V11 => "http://schemas.xmlsoap.org/soap/envelope/",
            Self::V12 => "http://www.w3.org/2003/05/soap-envelope",
        }
    }

    /// The media type of its messages.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::V11 => "text/xml",
            Self::V12 => "application/soap+xml",
        }
    }

    /// `1.1` or `1.2`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::V11 => "1.1",
            Self::V12 => "1.2",
        }
    }
}

/// One case.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Case {
    /// Its name, `SOAPCON-2`.
    pub name: String,
    /// What it is about, in a line.
    pub title: String,
    /// What is done and why.
    pub story: String,
    /// Where it is written.
    pub source: String,
    /// Whether an endpoint must pass it.
    #[serde(default = "yes")]
    pub required: bool,
    /// The versions of SOAP that it is run in; with none it is no matter of SOAP and is run once.
    #[serde(default = "both")]
    pub soap: Vec<Soap>,
    /// Whether it is a probe, which an endpoint that is not on this machine has to allow.
    #[serde(default)]
    pub probe: bool,
    /// What is looked at below HTTP instead of sending requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsProbe>,
    /// What is sent, one after the other; each reply is judged.
    #[serde(default, rename = "request")]
    pub requests: Vec<Request>,
    /// What is expected of each reply.
    pub expect: Expect,
    /// Its group; the name of its file.
    #[serde(default = "first_suite", skip_deserializing)]
    pub suite: Suite,
}

/// What is looked at below HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TlsProbe {
    /// The certificate of the server.
    Certificate,
    /// TLS 1.2 and 1.3.
    Modern,
    /// TLS 1.0 and 1.1.
    Outdated,
}

/// What is sent. Texts may hold `{username}`, `{password}`, `{facility}`, `{hl7}`, `{children}` (the four of a submission),
/// `{soap}` (the namespace), `{deep}` (300 elements inside of each other) and, in messages, what `schemas/conformance/messages.toml` says.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Request {
    /// Which of several it is.
    pub label: String,
    /// Its reply is not judged: it only prepares the next.
    pub prepare: bool,
    /// The method; POST when it is empty.
    pub method: String,
    /// The query of the address, without the question mark.
    pub query: String,
    /// The text of a connectivityTest.
    pub echo: Option<String>,
    /// The message of a submission, by its name in `messages.toml`.
    pub message: Option<String>,
    /// Changes of the message: `PID-5=`, `-PID`, `PID+ZPD|1`.
    pub edits: Vec<String>,
    /// What ends its segments: `cr`, `lf` or `crlf`; `cr` when it is empty.
    pub segment_end: String,
    /// How many such messages are put behind one another, a line feed between them; 0 is 1.
    pub times: usize,
    /// The message is filled up to this many characters; with `over-limit` to one more than the limit that the tester named.
    pub characters: usize,
    /// See `characters`.
    pub over_limit: bool,
    /// The message stands in a CDATA section.
    pub cdata: bool,
    /// Children of the submission that are left out, such as `password`.
    pub omit: Vec<String>,
    /// Other values for username, password and facilityID.
    pub instead: BTreeMap<String, String>,
    /// What stands in the Body instead.
    pub body: Option<String>,
    /// What is sent instead of an envelope.
    pub raw: Option<String>,
    /// Header blocks of SOAP.
    pub header: String,
    /// Replacements in the whole envelope, one after the other.
    pub replace: Vec<[String; 2]>,
    /// `utf-8`, `utf-8-mark`, `utf-16` or `latin-1`; `utf-8` when it is empty.
    pub encoding: String,
    /// Another Content-Type; none at all when it is empty.
    pub content_type: Option<String>,
    /// More headers, or others.
    pub headers: BTreeMap<String, String>,
}

impl Request {
    /// Whether it needs credentials to mean anything.
    pub fn needs_credentials(&self) -> bool {
        self.message.is_some()
    }
}

/// What kind of reply is expected; each rule says on which kinds it is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Anything; only the rules that the case names are judged.
    Any,
    /// The WSDL.
    Description,
    /// `connectivityTestResponse`.
    Echo,
    /// A SOAP fault.
    Fault,
    /// An HTTP status or a SOAP fault that refuses.
    Refusal,
    /// `submitSingleMessageResponse`.
    Submission,
    /// What was seen below HTTP.
    Tls,
}

/// What is expected of each reply.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Expect {
    /// The kind of reply.
    pub reply: Kind,
    /// Rules beyond those of the kind.
    #[serde(default)]
    pub rules: Vec<String>,
    /// Rules of the kind that are not judged here.
    #[serde(default)]
    pub without: Vec<String>,
    /// The fault elements of the contract, one of which it is.
    #[serde(default)]
    pub faults: Vec<String>,
    /// The values of SOAP's own fault code, one of which it is.
    #[serde(default)]
    pub values: Vec<String>,
    /// The HTTP statuses, one of which it is.
    #[serde(default)]
    pub status: Vec<u16>,
    /// MSA-1, one of which it is.
    #[serde(default)]
    pub msa: Vec<String>,
    /// The elements, one of which an ERR-2 names: `PID-5`, `PID`.
    #[serde(default)]
    pub at: Vec<String>,
    /// ERR-3 of that ERR, one of which it is.
    #[serde(default)]
    pub codes: Vec<String>,
    /// QAK-2, one of which it is.
    #[serde(default)]
    pub qak: Vec<String>,
    /// MSH-21.1, one of which it is.
    #[serde(default)]
    pub profiles: Vec<String>,
}

/// A rule: what it asks, of which replies, and how to mend a breach.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Its name, `ENV-BODY-ONE`.
    pub name: String,
    /// How much a breach weighs.
    pub weight: Weight,
    /// The kinds of replies of which it is judged; with none where a case names it.
    #[serde(default)]
    pub on: Vec<Kind>,
    /// What it asks. `{faults}`, `{status}` and so on stand for what the case expects.
    pub asks: String,
    /// How to mend a breach.
    pub fix: String,
    /// Where it is written.
    pub source: String,
}

impl Rule {
    /// What it asks in a case.
    pub fn asks(&self, expect: &Expect) -> String {
        let status: Vec<String> = expect.status.iter().map(ToString::to_string).collect();
        let words = [
            ("{faults}", &expect.faults),
            ("{values}", &expect.values),
            ("{status}", &status),
            ("{msa}", &expect.msa),
            ("{at}", &expect.at),
            ("{codes}", &expect.codes),
            ("{qak}", &expect.qak),
            ("{profiles}", &expect.profiles),
        ];
        words.iter().fold(self.asks.clone(), |text, (place, values)| {
            text.replace(place, &values.join(" or "))
        })
    }
}

/// All cases, all rules and the messages that are sent.
pub struct Catalogue {
    /// The cases in the order in which they are run.
    pub cases: Vec<Case>,
    /// The rules in the order in which they are judged.
    pub rules: Vec<Rule>,
    /// HL7 texts by name; a line is a segment.
    pub messages: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct CaseFile {
    case: Vec<Case>,
}

#[derive(Deserialize)]
struct RuleFile {
    rule: Vec<Rule>,
}

impl Catalogue {
    /// The one that is part of the program.
    pub fn built_in() -> &'static Self {
        static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(Catalogue::read_built_in);
        &CATALOGUE
    }

    #[expect(clippy::panic, reason = "the files are part of the program; a test reads them")]
    fn read_built_in() -> Self {
        Self::read().unwrap_or_else(|error| panic!("schemas/conformance: {error}"))
    }

    fn read() -> Result<Self, toml::de::Error> {
        let mut cases = vec![];
        for suite in Suite::ALL {
            let file: CaseFile = toml::from_str(suite.source())?;
            cases.extend(file.case.into_iter().map(|case| Case { suite, ..case }));
        }
        let rules: RuleFile = toml::from_str(include_str!("../../schemas/conformance/rules.toml"))?;
        let messages = toml::from_str(include_str!("../../schemas/conformance/messages.toml"))?;
        Ok(Self { cases, rules: rules.rule, messages })
    }

    /// A case by its name, in any case of letters.
    pub fn case(&self, name: &str) -> Option<&Case> {
        self.cases.iter().find(|case| case.name.eq_ignore_ascii_case(name))
    }

    /// A rule by its name.
    pub fn rule(&self, name: &str) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.name == name)
    }

    /// The rules that the replies of a case are judged by.
    pub fn rules_of<'c>(&'c self, case: &'c Case) -> impl Iterator<Item = &'c Rule> {
        let Expect { reply, rules, without, .. } = &case.expect;
        self.rules.iter().filter(move |rule| {
            (rule.on.contains(reply) || rules.contains(&rule.name)) && !without.contains(&rule.name)
        })
    }
}

const fn yes() -> bool {
    true
}

fn both() -> Vec<Soap> {
    vec![Soap::V12, Soap::V11]
}

const fn first_suite() -> Suite {
    Suite::Transport
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_catalogue_is_whole() {
        let catalogue = Catalogue::read().unwrap();
        let mut names = BTreeSet::new();
        let mut used = BTreeSet::new();
        for case in &catalogue.cases {
            assert!(names.insert(&case.name), "{} comes twice", case.name);
            assert!(!case.requests.is_empty() || case.tls.is_some(), "{} sends nothing", case.name);
            assert!(!case.story.trim().is_empty() && !case.source.is_empty(), "{}", case.name);
            let Expect { rules, without, .. } = &case.expect;
            for name in rules.iter().chain(without) {
                assert!(catalogue.rule(name).is_some(), "{}: no rule {name}", case.name);
            }
            for name in without {
                let rule = catalogue.rule(name).unwrap();
                assert!(
                    rule.on.contains(&case.expect.reply),
                    "{}: {name} is not judged anyway",
                    case.name
                );
            }
            for request in &case.requests {
                if let Some(message) = &request.message {
                    assert!(
                        catalogue.messages.contains_key(message),
                        "{}: no {message}",
                        case.name
                    );
                }
            }
            used.extend(catalogue.rules_of(case).map(|rule| rule.name.clone()));
        }
        let mut known = BTreeSet::new();
        for rule in &catalogue.rules {
            assert!(known.insert(rule.name.clone()), "{} comes twice", rule.name);
            assert!(!rule.fix.is_empty() && !rule.source.is_empty(), "{}", rule.name);
        }
        assert_eq!(
            known.difference(&used).collect::<Vec<_>>(),
            Vec::<&String>::new(),
            "rules that no case uses"
        );
    }
}
