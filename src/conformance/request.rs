//! A request of a case made out: the envelope and the message with the tester's values, byte for byte as it is sent.

use crate::conformance::case::{Catalogue, Request, Soap};
use crate::domain::Timestamp;
use crate::hl7::Message;
use crate::validation::edited;

/// As whom is sent, and what is put into every message.
#[derive(Clone)]
pub struct Sender {
    /// `username`.
    pub username: String,
    /// `password`.
    pub password: String,
    /// `facilityID`; MSH-4 as well.
    pub facility: String,
    /// Changes of every message, such as `MSH-6=CAIRBA`.
    pub edits: Vec<String>,
}

impl Sender {
    /// Whether each of its changes fits one of the messages.
    ///
    /// # Errors
    /// The first that fits none.
    pub fn check(&self) -> Result<(), RenderError> {
        let messages = &Catalogue::built_in().messages;
        let fits = |edit: &&String| {
            messages
                .values()
                .any(|text| edited(text.replace('\n', "\r"), std::slice::from_ref(*edit)).is_some())
        };
        match self.edits.iter().find(|edit| !fits(edit)) {
            Some(edit) => Err(RenderError::Edit(edit.clone())),
            None => Ok(()),
        }
    }

    /// The same with its credentials masked, for what may be shown.
    #[must_use]
    pub fn masked(&self) -> Self {
        Self {
            username: "[username]".to_owned(),
            password: "[password]".to_owned(),
            ..self.clone()
        }
    }
}

/// What differs from one request to the next.
#[derive(Clone, Debug)]
pub struct Values {
    /// The version of SOAP.
    pub soap: Soap,
    /// MSH-10, never used before.
    pub control_id: String,
    /// The identifier of the invented patient of this case.
    pub patient: String,
    /// The moment.
    pub now: Timestamp,
    /// The longest message that the tester says the endpoint takes, in characters.
    pub limit: Option<usize>,
}

/// A request as it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// The method.
    pub method: String,
    /// The query, without the question mark.
    pub query: String,
    /// The headers in their order; Host and Content-Length are added on the way.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// The HL7 text in it; empty when there is none.
    pub hl7: String,
    /// MSH-10 of that text.
    pub control_id: String,
}

/// A case that cannot be sent with these values.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// A change does not fit the message.
    #[error("the change {0:?} fits no message; write it like MSH-6=CAIRBA")]
    Edit(String),
    /// The case asks for a message that does not exist.
    #[error("there is no message {0:?}")]
    NoMessage(String),
    /// The case asks for the limit, which was not told.
    #[error("it needs --limit: how many characters a message may have")]
    NoLimit,
}

impl Request {
    /// Makes it out.
    ///
    /// # Errors
    /// When it cannot be made with these values.
    pub fn render(&self, sender: &Sender, values: &Values) -> Result<Rendered, RenderError> {
        let hl7 = self.hl7(sender, values)?;
        let text = match &self.raw {
            Some(raw) => self.filled(raw, sender, values, &hl7),
            None if self.method.is_empty() || self.method == "POST" => {
                self.envelope(sender, values, &hl7)
            }
            None => String::new(),
        };
        let text = self.replace.iter().fold(text, |text, [from, to]| text.replace(from, to));
        Ok(Rendered {
            method: if self.method.is_empty() { "POST".to_owned() } else { self.method.clone() },
            query: self.query.clone(),
            headers: self.all_headers(values.soap, text.is_empty() && self.raw.is_none()),
            body: self.encoded(text),
            control_id: control_id(&hl7),
            hl7,
        })
    }

    fn all_headers(&self, soap: Soap, no_body: bool) -> Vec<(String, String)> {
        let mut headers = vec![];
        let media = format!("{}; charset=utf-8", soap.media_type());
        let content_type = self.content_type.clone().unwrap_or(media);
        if !content_type.is_empty() && !no_body {
            headers.push(("Content-Type".to_owned(), content_type));
        }
        let given = self.headers.keys().any(|name| name.eq_ignore_ascii_case("SOAPAction"));
        if soap == Soap::V11 && !no_body && !given {
            let operation =
                if self.echo.is_some() { "connectivityTest" } else { "submitSingleMessage" };
            let action = format!("\"urn:cdc:iisb:2011:{operation}\"");
            headers.push(("SOAPAction".to_owned(), action));
        }
        headers.extend(self.headers.iter().map(|(name, value)| (name.clone(), value.clone())));
        headers
    }

    fn envelope(&self, sender: &Sender, values: &Values, hl7: &str) -> String {
        let body = match (&self.body, &self.echo) {
            (Some(body), _) => self.filled(body, sender, values, hl7),
            (None, Some(echo)) => format!(
                "<iis:connectivityTest><iis:echoBack>{}</iis:echoBack></iis:connectivityTest>",
                escaped(echo)
            ),
            (None, None) => format!(
                "<iis:submitSingleMessage>{}</iis:submitSingleMessage>",
                self.children(sender, hl7)
            ),
        };
        let header = self.filled(&self.header, sender, values, hl7);
        let header =
            if header.is_empty() { header } else { format!("<soap:Header>{header}</soap:Header>") };
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<soap:Envelope xmlns:soap=\"{}\" xmlns:iis=\"urn:cdc:iisb:2011\">\
             {header}<soap:Body>{body}</soap:Body></soap:Envelope>",
            values.soap.namespace()
        )
    }

    /// The children of a submission.
    fn children(&self, sender: &Sender, hl7: &str) -> String {
        let message = if self.cdata { format!("<![CDATA[{hl7}]]>") } else { escaped(hl7) };
        let instead =
            |name: &str, own: &str| escaped(self.instead.get(name).map_or(own, String::as_str));
        let children = [
            ("username", instead("username", &sender.username)),
            ("password", instead("password", &sender.password)),
            ("facilityID", instead("facilityID", &sender.facility)),
            ("hl7Message", message),
        ];
        let kept = children.iter().filter(|(name, _)| !self.omit.iter().any(|one| one == name));
        kept.fold(String::new(), |out, (name, value)| {
            out + &format!("<iis:{name}>{value}</iis:{name}>")
        })
    }

    fn filled(&self, text: &str, sender: &Sender, values: &Values, hl7: &str) -> String {
        if !text.contains('{') {
            return text.to_owned();
        }
        text.replace("{soap}", values.soap.namespace())
            .replace("{children}", &self.children(sender, hl7))
            .replace("{username}", &escaped(&sender.username))
            .replace("{password}", &escaped(&sender.password))
            .replace("{facility}", &escaped(&sender.facility))
            .replace("{hl7}", &escaped(hl7))
            .replace("{deep}", &nested())
    }

    fn hl7(&self, sender: &Sender, values: &Values) -> Result<String, RenderError> {
        let Some(name) = &self.message else { return Ok(String::new()) };
        let text = Catalogue::built_in().messages.get(name);
        let text = text.ok_or_else(|| RenderError::NoMessage(name.clone()))?;
        let mut message = filled_message(text, sender, values);
        for edit in &sender.edits {
            // What is for a segment that this kind of message does not have is for the others.
            message = edited(message.clone(), std::slice::from_ref(edit)).unwrap_or(message);
        }
        for edit in &self.edits {
            let edit = filled_message(edit, sender, values);
            message =
                edited(message, std::slice::from_ref(&edit)).ok_or(RenderError::Edit(edit))?;
        }
        let characters = match (self.over_limit, values.limit) {
            (true, None) => return Err(RenderError::NoLimit),
            (true, Some(limit)) => limit.saturating_add(1),
            (false, _) => self.characters,
        };
        let length = message.chars().count();
        if characters > length + 5 {
            message.push_str("ZZZ|");
            message.push_str(&"x".repeat(characters - length - 5));
            message.push('\r');
        }
        let message = match self.segment_end.as_str() {
            "lf" => message.replace('\r', "\n"),
            "crlf" => message.replace('\r', "\r\n"),
            _ => message,
        };
        Ok(vec![message; self.times.max(1)].join("\n"))
    }

    fn encoded(&self, text: String) -> Vec<u8> {
        match self.encoding.as_str() {
            "utf-8-mark" => format!("\u{FEFF}{text}").into_bytes(),
            "utf-16" => {
                let marked = format!("\u{FEFF}{text}");
                marked.encode_utf16().flat_map(u16::to_be_bytes).collect()
            }
            "latin-1" => text.chars().map(|one| u8::try_from(one).unwrap_or(b'?')).collect(),
            _ => text.into_bytes(),
        }
    }
}

/// 300 elements inside of each other.
fn nested() -> String {
    format!("{}{}", "<x:a>".repeat(300), "</x:a>".repeat(300))
}

/// MSH-10 as it stands in a message.
fn control_id(hl7: &str) -> String {
    let message = Message::parse(hl7.as_bytes());
    let field = message.as_ref().ok().and_then(|message| message.segment("MSH"));
    let bytes = field.map(|header| header.field(10).bytes().to_vec()).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A message with the tester's values, its segments ended by CR.
fn filled_message(text: &str, sender: &Sender, values: &Values) -> String {
    let now = values.now.utc();
    let yesterday = values.now.minus(std::time::Duration::from_hours(24)).utc();
    let next_year = values.now.plus(std::time::Duration::from_hours(24 * 400)).utc();
    let text = text
        .replace("{facility}", &sender.facility)
        .replace("{control-id}", &values.control_id)
        .replace("{patient}", &values.patient)
        .replace("{now}", &now.format("%Y%m%d%H%M%S+0000").to_string())
        .replace("{today}", &now.format("%Y%m%d").to_string())
        .replace("{yesterday}", &yesterday.format("%Y%m%d").to_string())
        .replace("{next-year}", &next_year.format("%Y%m%d").to_string());
    text.replace('\n', "\r")
}

/// Text for an element: CR must be a reference, or it arrives as LF.
pub(super) fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('\r', "&#xD;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hl7::Header;

    fn sender() -> Sender {
        Sender {
            username: "USER".to_owned(),
            password: "p&ss<word>".to_owned(),
            facility: "DE-000001".to_owned(),
            edits: vec!["MSH-6=CAIRBA".to_owned()],
        }
    }

    fn values(soap: Soap) -> Values {
        Values {
            soap,
            control_id: "CT1".to_owned(),
            patient: "CTP1".to_owned(),
            now: Timestamp::now(),
            limit: Some(70_000),
        }
    }

    #[test]
    fn every_case_can_be_sent_in_its_versions_and_masks_its_credentials() {
        for case in &Catalogue::built_in().cases {
            for (request, soap) in
                case.requests.iter().flat_map(|one| case.soap.iter().map(move |soap| (one, *soap)))
            {
                let rendered = request.render(&sender(), &values(soap));
                let rendered = rendered.unwrap_or_else(|error| panic!("{}: {error}", case.name));
                let masked = request.render(&sender().masked(), &values(soap)).unwrap();
                let shown = String::from_utf8_lossy(&masked.body).into_owned();

                assert!(!shown.contains("p&amp;ss") && !shown.contains("USER"), "{}", case.name);
                assert!(
                    !String::from_utf8_lossy(&rendered.body).contains("{children}"),
                    "{}",
                    case.name
                );
                assert!(!rendered.hl7.contains('{'), "{}: {}", case.name, rendered.hl7);
            }
        }
    }

    #[test]
    fn every_message_says_who_sends_it_and_where_it_goes() {
        for name in Catalogue::built_in().messages.keys() {
            let request = Request { message: Some(name.clone()), ..Request::default() };
            let hl7 = request.render(&sender(), &values(Soap::V12)).unwrap().hl7;
            let message = Message::parse(hl7.as_bytes()).unwrap();
            let header = Header::of(&message);

            assert_eq!(header.control_id.text(), Some(b"CT1".as_slice()), "{name}");
            assert_eq!(header.sending_facility.text(), Some(b"DE-000001".as_slice()), "{name}");
            assert_eq!(header.receiving_facility.text(), Some(b"CAIRBA".as_slice()), "{name}");
        }
    }

    #[test]
    fn a_message_is_filled_up_to_its_length() {
        let of = |characters, over_limit| {
            let request = Request {
                message: Some("child".to_owned()),
                characters,
                over_limit,
                ..Request::default()
            };
            request.render(&sender(), &values(Soap::V12)).unwrap().hl7.chars().count()
        };

        assert_eq!(of(65_536, false), 65_536);
        assert_eq!(of(0, true), 70_001);
    }
}
