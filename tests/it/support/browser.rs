//! A browser without script: cookies, forms with their token, redirects, and what a page says.

use std::cell::RefCell;
use std::collections::BTreeMap;

use izportal::store::LetterFilter;

use crate::support::TestApp;

/// A visitor with cookies of their own.
pub(crate) struct Browser {
    http: reqwest::Client,
    base: String,
    cookies: RefCell<BTreeMap<String, String>>,
    token: RefCell<String>,
}

/// What a browser shows.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) status: u16,
    /// Where it is, after redirects.
    pub(crate) path: String,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) html: String,
}

impl Page {
    /// What the error summary lists: the field that a link leads to, and the message.
    pub(crate) fn errors(&self) -> Vec<(String, String)> {
        let Some(summary) = between(&self.html, "<div class=\"error-summary\"", "</div>") else {
            return vec![];
        };
        summary
            .split("<a href=\"#")
            .skip(1)
            .filter_map(|rest| {
                let (field, rest) = rest.split_once('"')?;
                let message = between(rest, ">", "</a>")?;
                Some((field.to_owned(), text_of(message)))
            })
            .collect()
    }

    /// All its text, tags left out.
    pub(crate) fn text(&self) -> String {
        text_of(between(&self.html, "<main", "</main>").unwrap_or(&self.html))
    }

    /// Fails unless the text holds all of these.
    #[track_caller]
    pub(crate) fn says(&self, parts: &[&str]) -> &Self {
        let text = self.text();
        for part in parts {
            assert!(text.contains(part), "{part:?} is not said at {}: {text}", self.path);
        }
        self
    }

    /// Fails unless it is there and is the page at this path.
    #[track_caller]
    pub(crate) fn is_at(&self, path: &str) -> &Self {
        assert_eq!((self.status, self.path.as_str()), (200, path), "{}", self.text());
        self
    }
}

fn between<'a>(text: &'a str, begin: &str, end: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(begin)?;
    rest.split_once(end).map(|(inside, _)| inside)
}

/// The text of HTML: tags left out, references resolved, white space as single blanks.
fn text_of(html: &str) -> String {
    let mut text = String::new();
    let mut in_tag = false;
    for one in html.chars() {
        match one {
            '<' => in_tag = true,
            '>' if in_tag => {
                in_tag = false;
                text.push(' ');
            }
            _ if in_tag => {}
            _ => text.push(one),
        }
    }
    let named = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#34;", "\""), ("&#39;", "'")];
    for (reference, meant) in
        named.into_iter().chain([("&#60;", "<"), ("&#62;", ">"), ("&#38;", "&"), ("&amp;", "&")])
    {
        text = text.replace(reference, meant);
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace(" .", ".").replace(" ,", ",")
}

impl TestApp {
    /// Somebody who comes for the first time.
    pub(crate) fn browser(&self) -> Browser {
        let tls = izportal::client::client_config(self.app.ca.as_deref(), None).unwrap();
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        Browser {
            http,
            base: self.app.public_url.clone(),
            cookies: RefCell::default(),
            token: RefCell::default(),
        }
    }
}

impl Browser {
    /// Opens a page, following redirects.
    pub(crate) async fn visit(&self, path: &str) -> Page {
        self.follow(self.ask(path).await).await
    }

    /// Opens a page, without following a redirect.
    pub(crate) async fn ask(&self, path: &str) -> Page {
        self.send(self.http.get(self.url(path)), path).await
    }

    /// Posts a form with the token of the last page, following redirects.
    pub(crate) async fn submit(&self, path: &str, fields: &[(&str, &str)]) -> Page {
        self.follow(self.post(path, fields).await).await
    }

    /// Posts a form with the token of the last page, without following a redirect.
    pub(crate) async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Page {
        let token = self.token.borrow().clone();
        let mut body = encoded("csrf", &token);
        for (name, value) in fields {
            body = format!("{body}&{}", encoded(name, value));
        }
        self.post_body(path, body).await
    }

    /// Posts bytes as a form.
    pub(crate) async fn post_body(&self, path: &str, body: String) -> Page {
        let request = self
            .http
            .post(self.url(path))
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body(body);
        self.send(request, path).await
    }

    /// Posts a file with the token of the last page, following redirects.
    pub(crate) async fn upload(&self, path: &str, name: &str, file: &[u8]) -> Page {
        self.upload_with(path, &[], name, file).await
    }

    /// Posts fields and a file with the token of the last page, following redirects.
    pub(crate) async fn upload_with(
        &self,
        path: &str,
        fields: &[(&str, &str)],
        name: &str,
        file: &[u8],
    ) -> Page {
        const BOUNDARY: &str = "the-boundary-of-the-parts";
        let token = self.token.borrow().clone();
        let mut head = String::new();
        for (field, value) in [("csrf", token.as_str())].iter().chain(fields) {
            head = format!(
                "{head}--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{field}\"\r\n\r\n{value}\r\n"
            );
        }
        let head = format!(
            "{head}--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n"
        );
        let tail = format!("\r\n--{BOUNDARY}--\r\n");
        let body = [head.as_bytes(), file, tail.as_bytes()].concat();
        let request = self
            .http
            .post(self.url(path))
            .header("Content-Type", format!("multipart/form-data; boundary={BOUNDARY}"))
            .body(body);
        let page = self.send(request, path).await;
        self.follow(page).await
    }

    /// The value of a cookie.
    pub(crate) fn cookie(&self, name: &str) -> Option<String> {
        self.cookies.borrow().get(name).cloned()
    }

    /// Puts a cookie there.
    pub(crate) fn set_cookie(&self, name: &str, value: &str) {
        self.cookies.borrow_mut().insert(name.to_owned(), value.to_owned());
    }

    fn url(&self, path: &str) -> String {
        let path = path.strip_prefix(&self.base).unwrap_or(path);
        format!("{}{path}", self.base)
    }

    async fn follow(&self, mut page: Page) -> Page {
        for _ in 0..10 {
            if page.status != 303 {
                return page;
            }
            let to = page.headers["location"].to_str().unwrap().to_owned();
            page = self.ask(&to).await;
        }
        panic!("redirected for ever: {}", page.path);
    }

    async fn send(&self, request: reqwest::RequestBuilder, path: &str) -> Page {
        let cookies: Vec<_> =
            self.cookies.borrow().iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = request.header("Accept", "text/html").header("Cookie", cookies.join("; "));
        let response = request.send().await.unwrap();
        let headers = response.headers().clone();
        for set in headers.get_all("set-cookie") {
            let (pair, about) = set.to_str().unwrap().split_once(';').unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            if about.contains("Max-Age=0") {
                self.cookies.borrow_mut().remove(name);
            } else {
                self.set_cookie(name, value);
            }
        }
        let status = response.status().as_u16();
        let html = response.text().await.unwrap();
        if let Some(token) = between(&html, "name=\"csrf\" value=\"", "\"") {
            token.clone_into(&mut self.token.borrow_mut());
        }
        let path = path.split('?').next().unwrap_or_default();
        let path = path.strip_prefix(&self.base).unwrap_or(path).to_owned();
        Page { status, path, headers, html }
    }
}

fn encoded(name: &str, value: &str) -> String {
    let escape = |text: &str| {
        text.bytes().fold(String::new(), |out, byte| {
            if byte.is_ascii_alphanumeric() {
                format!("{out}{}", char::from(byte))
            } else {
                format!("{out}%{byte:02X}")
            }
        })
    };
    format!("{}={}", escape(name), escape(value))
}

/// A letter as its reader has it.
#[derive(Debug)]
pub(crate) struct Mail {
    pub(crate) subject: String,
    pub(crate) text: String,
}

impl Mail {
    /// The path of the link in it that begins so.
    #[track_caller]
    pub(crate) fn link(&self, begin: &str) -> String {
        let found = self.text.split_whitespace().find_map(|word| {
            let (_, path) = word.strip_prefix("https://")?.split_once('/')?;
            let path = format!("/{path}");
            path.starts_with(begin).then_some(path)
        });
        found.unwrap_or_else(|| panic!("no link {begin} in {}", self.text))
    }
}

impl TestApp {
    /// Waits for the newest letter to an address whose subject holds a text.
    pub(crate) async fn mail_to(&self, address: &str, subject: &str) -> Mail {
        for _ in 0..200 {
            if let Some(mail) =
                self.mails_to(address).await.into_iter().find(|mail| mail.subject.contains(subject))
            {
                return mail;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!("no letter to {address} about {subject:?}: {:?}", self.mails_to(address).await);
    }

    /// The letters to an address that have left, the newest first.
    pub(crate) async fn mails_to(&self, address: &str) -> Vec<Mail> {
        let filter = LetterFilter { to: Some(address.parse().unwrap()), ..LetterFilter::default() };
        let mut mails = vec![];
        for record in self.store().letter_list(filter, 100).await.unwrap() {
            let (record, words) = self.store().letter_by_id(record.id).await.unwrap();
            if let Some((text, _)) = words {
                mails.push(Mail { subject: record.subject, text });
            }
        }
        mails
    }
}
