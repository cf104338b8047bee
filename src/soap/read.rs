//! Requests: bytes to an [`Envelope`], strict about safety and lenient about shape.

use std::borrow::Cow;

use crate::soap::charset::decode;
use crate::soap::envelope::{
    Addressing, AddressingVersion, EchoBack, Envelope, EnvelopeError, EnvelopeErrorKind, Notes,
    Operation, Submission,
};
use crate::soap::fault::NotUnderstood;
use crate::soap::scan::{Element, Limits, Namespace, ScanError, Scanner};
use crate::soap::version::{MediaType, OperationName, SoapVersion};

/// Reads one request (rows 1 to 15, 31 to 37, 47 to 54, 62, 63 and 72 to 82).
///
/// Text fields are borrowed from `bytes` when the document is UTF-8 and the field is one plain run.
///
/// # Errors
/// [`EnvelopeError`]; every one is answered with the SOAP fault that [`EnvelopeError::fault`] gives.
pub fn read_envelope<'a>(
    bytes: &'a [u8],
    media: &MediaType,
    limits: &Limits,
) -> Result<Envelope<'a>, EnvelopeError> {
    let likely = media.likely_version();
    match decode(bytes, *media) {
        Ok(Cow::Borrowed(source)) => Request::read(source, likely, limits),
        Ok(Cow::Owned(source)) => Request::read(&source, likely, limits).map(Envelope::into_owned),
        Err(error) => Err(EnvelopeError {
            version: likely,
            kind: EnvelopeErrorKind::Encoding,
            detail: Cow::Owned(sentence(&error)),
            related: None,
        }),
    }
}

/// A problem before it is known in which version, and in relation to what, it is answered.
struct Problem {
    kind: EnvelopeErrorKind,
    detail: Cow<'static, str>,
}

impl Problem {
    fn new(kind: EnvelopeErrorKind, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, detail: detail.into() }
    }

    fn structure(detail: &'static str) -> Self {
        Self::new(EnvelopeErrorKind::Structure, detail)
    }
}

impl From<ScanError> for Problem {
    fn from(error: ScanError) -> Self {
        let kind = match error {
            ScanError::ChildInText | ScanError::StrayText => EnvelopeErrorKind::Structure,
            ScanError::Dtd => EnvelopeErrorKind::Dtd,
            ScanError::IllegalCharacter
            | ScanError::Malformed
            | ScanError::UnboundPrefix
            | ScanError::UnknownEntity => EnvelopeErrorKind::Malformed,
            ScanError::ProcessingInstruction => EnvelopeErrorKind::ProcessingInstruction,
            ScanError::TooDeep
            | ScanError::TooManyAttributes
            | ScanError::TooManyElements
            | ScanError::TooManyNamespaces => EnvelopeErrorKind::Limit,
        };
        Self::new(kind, sentence(&error))
    }
}

/// The walk through one document.
struct Request<'a, 'l> {
    scanner: Scanner<'a, 'l>,
    version: SoapVersion,
    addressing: Option<Addressing>,
    token: Token<'a>,
    not_understood: Option<NotUnderstood>,
    notes: Notes,
}

/// The credentials of a WS-Security `UsernameToken`.
#[derive(Default)]
struct Token<'a> {
    username: Option<Cow<'a, str>>,
    password: Option<Cow<'a, str>>,
}

impl<'a, 'l> Request<'a, 'l> {
    fn read(
        source: &'a str,
        likely: SoapVersion,
        limits: &'l Limits,
    ) -> Result<Envelope<'a>, EnvelopeError> {
        let scanner = Scanner::new(source, limits)
            .map_err(|error| Self::refuse(Problem::from(error), likely, None))?;
        let mut request = Request {
            scanner,
            version: likely,
            addressing: None,
            token: Token::default(),
            not_understood: None,
            notes: Notes::default(),
        };
        match request.envelope(source) {
            Ok(operation) => {
                let Self { version, addressing, notes, .. } = request;
                Ok(Envelope { version, addressing, operation, notes })
            }
            Err(problem) => Err(Self::refuse(problem, request.version, request.addressing)),
        }
    }

    fn refuse(
        problem: Problem,
        version: SoapVersion,
        addressing: Option<Addressing>,
    ) -> EnvelopeError {
        let Problem { kind, detail } = problem;
        EnvelopeError { version, kind, detail, related: addressing.map(Box::new) }
    }

    fn envelope(&mut self, source: &str) -> Result<Operation<'a>, Problem> {
        if source.trim().is_empty() {
            return Err(Problem::new(EnvelopeErrorKind::Malformed, "The request body is empty."));
        }
        let root = self.scanner.root()?;
        if root.name != "Envelope" {
            return Err(Problem::structure("The root element is not a SOAP Envelope."));
        }
        self.version = match root.namespace {
            Namespace::Soap11 => SoapVersion::V11,
            Namespace::Soap12 => SoapVersion::V12,
            _ => {
                let detail = "The SOAP version of the Envelope is not supported, use SOAP 1.2.";
                return Err(Problem::new(EnvelopeErrorKind::VersionMismatch, detail));
            }
        };
        let mut header_seen = false;
        let mut operation = None;
        while let Some(child) = self.scanner.child()? {
            match child.name {
                _ if child.namespace != root.namespace => self.scanner.skip()?,
                "Header" if !header_seen && operation.is_none() => {
                    header_seen = true;
                    self.header()?;
                }
                "Body" if operation.is_none() => operation = Some(self.body()?),
                _ => {
                    return Err(Problem::structure(
                        "The Envelope does not hold one Header and one Body.",
                    ));
                }
            }
        }
        self.scanner.finish()?;
        if let Some(header) = self.not_understood.take() {
            let detail = "A header that must be understood is not supported by this service.";
            return Err(Problem::new(EnvelopeErrorKind::MustUnderstand(Box::new(header)), detail));
        }
        operation.unwrap_or_else(|| Err(Problem::structure("The Envelope has no Body.")))
    }

    fn header(&mut self) -> Result<(), Problem> {
        while let Some(block) = self.scanner.child()? {
            let mandatory = self.is_mandatory()?;
            let unknown =
                mandatory.then(|| NotUnderstood::new(block.name, self.scanner.uri(&block)));
            if !self.is_for_us()? {
                self.scanner.skip()?;
                continue;
            }
            let understood = match block.namespace {
                Namespace::Addressing2004 => {
                    self.addressing(&block, AddressingVersion::August2004)?
                }
                Namespace::Addressing2005 => {
                    self.addressing(&block, AddressingVersion::August2005)?
                }
                Namespace::Security if block.name == "Security" => self.security()?,
                Namespace::AddressingNone => {
                    self.scanner.skip()?;
                    true
                }
                _ => {
                    self.scanner.skip()?;
                    false
                }
            };
            if !understood && self.not_understood.is_none() {
                self.not_understood = unknown;
            }
        }
        Ok(())
    }

    fn is_mandatory(&self) -> Result<bool, Problem> {
        let value = self.scanner.attribute(self.soap(), "mustUnderstand")?;
        Ok(value.is_some_and(|value| matches!(value.trim(), "1" | "true")))
    }

    /// Whether the header block just opened is meant for the ultimate receiver or for every node.
    fn is_for_us(&self) -> Result<bool, Problem> {
        let role = match self.version {
            SoapVersion::V11 => self.scanner.attribute(Namespace::Soap11, "actor")?,
            SoapVersion::V12 => self.scanner.attribute(Namespace::Soap12, "role")?,
        };
        Ok(role.is_none_or(|role| {
            matches!(
                role.trim(),
                "" | "http://schemas.xmlsoap.org/soap/actor/next"
                    | "http://www.w3.org/2003/05/soap-envelope/role/next"
                    | "http://www.w3.org/2003/05/soap-envelope/role/ultimateReceiver"
            )
        }))
    }

    fn soap(&self) -> Namespace {
        match self.version {
            SoapVersion::V11 => Namespace::Soap11,
            SoapVersion::V12 => Namespace::Soap12,
        }
    }

    /// `ReplyTo` and `FaultTo` are understood in the only way that is safe: they are never contacted.
    fn addressing(
        &mut self,
        block: &Element<'a>,
        version: AddressingVersion,
    ) -> Result<bool, Problem> {
        let addressing =
            self.addressing.get_or_insert(Addressing { version, message_id: None, action: None });
        let field = match block.name {
            "MessageID" => &mut addressing.message_id,
            "Action" => &mut addressing.action,
            _ => {
                self.scanner.skip()?;
                return Ok(true);
            }
        };
        let text = self.scanner.text()?;
        let text = text.trim();
        if field.is_none() && !text.is_empty() && text.len() <= LONGEST_ADDRESS {
            *field = Some(text.to_owned());
        }
        Ok(true)
    }

    /// Understood when it holds a `UsernameToken` whose password is plain text.
    fn security(&mut self) -> Result<bool, Problem> {
        let mut understood = false;
        while let Some(child) = self.scanner.child()? {
            if !child.is(Namespace::Security, "UsernameToken") {
                self.scanner.skip()?;
            } else if self.token.username.is_some() || self.token.password.is_some() {
                return Err(duplicate(&child, "Security"));
            } else {
                understood = self.username_token()?;
            }
        }
        Ok(understood)
    }

    fn username_token(&mut self) -> Result<bool, Problem> {
        let mut token = Token::default();
        let mut plain = true;
        while let Some(child) = self.scanner.child()? {
            let field = match child.name {
                "Username" if child.namespace == Namespace::Security => &mut token.username,
                "Password" if child.namespace == Namespace::Security => {
                    let kind = self.scanner.attribute(Namespace::None, "Type")?;
                    plain &= kind.is_none_or(|kind| kind.trim().ends_with("#PasswordText"));
                    &mut token.password
                }
                _ => {
                    self.scanner.skip()?;
                    continue;
                }
            };
            if field.replace(self.scanner.text()?).is_some() {
                return Err(duplicate(&child, "UsernameToken"));
            }
        }
        if plain {
            self.token = token;
        }
        Ok(plain)
    }

    /// Reads the Body to its end; the inner result is the operation's, which a header may still overrule.
    fn body(&mut self) -> Result<Result<Operation<'a>, Problem>, Problem> {
        let Some(element) = self.scanner.child()? else {
            return Ok(Err(Problem::structure("The SOAP Body is empty.")));
        };
        let operation = match element.name {
            _ if self.not_understood.is_some() || element.namespace != Namespace::Iis2011 => {
                self.unsupported(&element)?
            }
            "connectivityTest" => Ok(self.connectivity_test()?),
            "submitSingleMessage" => Ok(self.submit_single_message()?),
            _ => self.unsupported(&element)?,
        };
        if self.scanner.child()?.is_some() {
            return Err(Problem::structure("The SOAP Body holds more than one element."));
        }
        Ok(operation)
    }

    fn unsupported(
        &mut self,
        element: &Element<'a>,
    ) -> Result<Result<Operation<'a>, Problem>, Problem> {
        self.scanner.skip()?;
        let name = element.printable_name().unwrap_or("of this name");
        let problem = match element.namespace {
            Namespace::Iis2011 => Problem::new(
                EnvelopeErrorKind::UnsupportedOperation,
                format!(
                    "The operation {name} is not supported; \
                     this service offers connectivityTest and submitSingleMessage."
                ),
            ),
            Namespace::Iis2014 | Namespace::Hub2014 => {
                Problem::new(EnvelopeErrorKind::OtherContract, expected_namespace(name))
            }
            _ if is_known_operation(element.name) => {
                Problem::new(EnvelopeErrorKind::OtherContract, expected_namespace(name))
            }
            _ => Problem::new(EnvelopeErrorKind::UnsupportedOperation, expected_namespace(name)),
        };
        Ok(Err(problem))
    }

    fn connectivity_test(&mut self) -> Result<Operation<'a>, Problem> {
        let mut echo_back = EchoBack::Absent;
        while let Some(child) = self.scanner.child()? {
            if self.is_foreign(&child)? {
                continue;
            }
            if child.name != "echoBack" {
                return Err(unknown(&child, OperationName::ConnectivityTest));
            }
            if echo_back != EchoBack::Absent {
                return Err(duplicate(&child, OperationName::ConnectivityTest.element()));
            }
            echo_back = self.field(&child)?.map_or(EchoBack::Nil, EchoBack::Text);
        }
        Ok(Operation::ConnectivityTest { echo_back })
    }

    fn submit_single_message(&mut self) -> Result<Operation<'a>, Problem> {
        let mut fields: [Option<Option<Cow<'a, str>>>; 4] = [const { None }; 4];
        while let Some(child) = self.scanner.child()? {
            if self.is_foreign(&child)? {
                continue;
            }
            let [username, password, facility_id, hl7_message] = &mut fields;
            let slot = match child.name {
                "username" => username,
                "password" => password,
                "facilityID" => facility_id,
                "hl7Message" => hl7_message,
                _ => return Err(unknown(&child, OperationName::SubmitSingleMessage)),
            };
            if slot.is_some() {
                return Err(duplicate(&child, OperationName::SubmitSingleMessage.element()));
            }
            *slot = Some(self.field(&child)?);
        }
        let [mut username, mut password, facility_id, hl7_message] = fields.map(Option::flatten);
        if username.is_none() && password.is_none() {
            Token { username, password } = std::mem::take(&mut self.token);
            self.notes.security_header_used = username.is_some() || password.is_some();
        }
        Ok(Operation::SubmitSingleMessage(Submission {
            username,
            password,
            facility_id,
            hl7_message,
        }))
    }

    /// Passes over a child of a foreign namespace (row 48); one without a namespace is ours (row 50).
    fn is_foreign(&mut self, child: &Element<'a>) -> Result<bool, Problem> {
        match child.namespace {
            Namespace::Iis2011 => Ok(false),
            Namespace::None => {
                self.notes.unqualified_children = true;
                Ok(false)
            }
            _ => {
                self.scanner.skip()?;
                self.notes.foreign_children = true;
                Ok(true)
            }
        }
    }

    /// The text of a field, or `None` when it is nil.
    fn field(&mut self, child: &Element<'a>) -> Result<Option<Cow<'a, str>>, Problem> {
        let nil = self.scanner.is_nil()?;
        let text = self.scanner.text().map_err(|error| match (error, child.printable_name()) {
            (ScanError::ChildInText, Some(name)) => Problem::new(
                EnvelopeErrorKind::Structure,
                format!("The element {name} holds another element; only text is allowed."),
            ),
            _ => Problem::from(error),
        })?;
        match (nil, text.is_empty()) {
            (false, _) => Ok(Some(text)),
            (true, true) => Ok(None),
            (true, false) => Err(Problem::structure("An element is nil and holds text.")),
        }
    }
}

/// A longer `MessageID` or Action is understood but not repeated.
const LONGEST_ADDRESS: usize = 1_024;

/// An error's text as the sentence of a fault.
fn sentence(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    if let Some(first) = text.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    text.push('.');
    text
}

fn expected_namespace(name: &str) -> String {
    format!(
        "The operation {name} is not in the namespace urn:cdc:iisb:2011, which this service expects."
    )
}

fn is_known_operation(name: &str) -> bool {
    ["connectivityTest", "submitSingleMessage"].iter().any(|known| name.eq_ignore_ascii_case(known))
}

fn duplicate(child: &Element<'_>, parent: &str) -> Problem {
    let name = child.printable_name().unwrap_or("of one name");
    Problem::new(
        EnvelopeErrorKind::DuplicateChild,
        format!("The element {name} occurs twice in {parent}."),
    )
}

fn unknown(child: &Element<'_>, operation: OperationName) -> Problem {
    let operation = operation.element();
    let detail = match (child.printable_name(), misspelt(child.name)) {
        (Some(name), Some(meant)) => {
            format!("The element {name} is not known in {operation}; is {meant} meant?")
        }
        (Some(name), None) => format!("The element {name} is not known in {operation}."),
        (None, _) => format!("An element is not known in {operation}."),
    };
    Problem::new(EnvelopeErrorKind::UnknownChild, detail)
}

/// Misspellings met in the field: capitals, and the `faciltyID` of one widely copied client.
fn misspelt(name: &str) -> Option<&'static str> {
    let meant = match name.to_ascii_lowercase().as_str() {
        "echoback" => "echoBack",
        "facilityid" | "faciltyid" | "facility" | "facility_id" => "facilityID",
        "hl7message" | "hl7_message" | "message" => "hl7Message",
        "password" => "password",
        "user" | "userid" | "username" => "username",
        _ => return None,
    };
    Some(meant)
}
