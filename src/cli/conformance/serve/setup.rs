//! What a trial needs before it begins, and the files that it writes.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use ring::rand::SystemRandom;
use serde_json::json;

use crate::cli::conformance::serve::ServeTrial;
use crate::cli::{Failure, output};
use crate::config::private_file;
use crate::conformance::serve::{PATH, REPLY_PATH, Scenario};
use crate::conformance::{Report, report};
use crate::domain::Password;
use crate::server::{LocalAuthority, ServerTls, TlsFiles, TlsSetupError};
use crate::soap::{OperationName, SoapVersion, connectivity_test_request};

/// What a trial is reached by.
pub(super) struct Access {
    /// `https://host:port`.
    pub(super) url: String,
    /// The password that clients must send.
    pub(super) password: Password,
    /// The file that holds it.
    pub(super) password_file: PathBuf,
    /// The authority to trust, when it was made here.
    pub(super) ca: Option<PathBuf>,
}

impl ServeTrial {
    /// The password that clients must send, and the file that holds it: the one named, or one that is made and stays.
    pub(super) fn password(&self) -> Result<(Password, PathBuf), Failure> {
        let path = match &self.password_file {
            Some(path) => path.clone(),
            None => self.made_password()?,
        };
        let text = std::fs::read_to_string(&path).map_err(|error| unusable(&path, &error))?;
        let text = text.trim_end_matches(['\r', '\n']).to_owned();
        if text.trim().is_empty() {
            return Err(unusable(&path, &"there is no password in it"));
        }
        Ok((Password::from(text), path))
    }

    /// The file with a password that is made at first start and stays.
    fn made_password(&self) -> Result<PathBuf, Failure> {
        let path = self.dir.join("password.txt");
        if !path.exists() {
            let made = Password::generate(&SystemRandom::new())
                .map_err(|_none| Failure::failed("the system gives no randomness"))?;
            let write = |mut file: std::fs::File| writeln!(file, "{}", made.reveal());
            let written = private_file(&path).and_then(write);
            written.map_err(|error| unusable(&path, &error))?;
        }
        Ok(path)
    }

    /// The TLS settings, and the authority to trust when it was made here.
    pub(super) fn tls(&self) -> Result<(rustls::ServerConfig, Option<PathBuf>), Failure> {
        let wrong = |error: TlsSetupError| Failure::usage(error.to_string());
        if let (Some(certificate), Some(key)) = (&self.cert, &self.key) {
            let files = TlsFiles { certificate: certificate.clone(), key: key.clone() };
            let config = ServerTls { files, client_ca: None }.config().map_err(wrong)?;
            return Ok((config, None));
        }
        let authority = LocalAuthority::open(self.dir.clone()).map_err(wrong)?;
        let mut names = self.name.clone();
        for own in ["localhost", "127.0.0.1", "::1"] {
            if !names.iter().any(|name| name == own) {
                names.push(own.to_owned());
            }
        }
        let files = authority.server_certificate(&names).map_err(wrong)?;
        let config = ServerTls { files, client_ca: None }.config().map_err(wrong)?;
        Ok((config, Some(authority.certificate())))
    }

    /// Where clients reach the trial.
    pub(super) fn url(&self, address: SocketAddr) -> String {
        let host = self.name.first().map_or("localhost", String::as_str);
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        format!("https://{host}:{}", address.port())
    }

    /// Says where the trial is, what to send there and what to do next.
    pub(super) fn announce(&self, access: &Access, scenario: Scenario) -> Result<(), Failure> {
        let Access { url, password_file, ca, .. } = access;
        let example = self.dir.join("connectivityTest.xml");
        let envelope = connectivity_test_request(SoapVersion::V12, "Hello");
        std::fs::write(&example, envelope).map_err(|error| unusable(&example, &error))?;
        let row = |name: &str, value: &str| output::line(&format!("  {name:14}{value}"));
        output::line(&format!("Serving {url}{PATH}\n"));
        row("WSDL", &format!("{url}{PATH}?wsdl"));
        row("username", &self.username);
        row("password", &format!("in {}", password_file.display()));
        row("facilityID", &self.facility);
        if let Some(ca) = ca {
            let how = "curl --cacert, Python verify=, PHP cafile, Java keytool -importcert";
            row("trust", &format!("{} ({how})", ca.display()));
        }
        row(
            "answers",
            &format!("{scenario}; others at {url}{REPLY_PATH}/ANSWER, which --list shows"),
        );
        let trusting =
            ca.as_ref().map_or_else(String::new, |ca| format!("--cacert {} ", ca.display()));
        output::line("\nTry it without a client of your own:");
        output::line(&format!(
            "  curl {trusting}-H 'Content-Type: {}' --data-binary @{} {url}{PATH}",
            SoapVersion::V12.request_media_type(OperationName::ConnectivityTest),
            example.display()
        ));
        output::line(
            "\nThen let your client send a connectivityTest, an immunization update (VXU) and a query (QBP) of invented\n\
             patients. Each call is judged below; Ctrl-C ends the trial.\n",
        );
        Ok(())
    }

    /// Writes the ready file at once and whole, so that a script never reads half of it.
    pub(super) fn write_ready(&self, access: &Access) -> Result<(), Failure> {
        let Some(path) = &self.ready_file else { return Ok(()) };
        let Access { url, password, ca, .. } = access;
        let ca = ca.as_ref().map(|path| path.canonicalize().unwrap_or_else(|_gone| path.clone()));
        let ready = json!({
            "endpoint": format!("{url}{PATH}"),
            "wsdl": format!("{url}{PATH}?wsdl"),
            "replies": format!("{url}{REPLY_PATH}/"),
            "ca": ca,
            "pid": std::process::id(),
            "senders": [{
                "name": "trial",
                "environment": "test",
                "username": self.username,
                "password": password.reveal(),
                "facility_id": self.facility,
                "site_id": self.facility,
                "region": "TRIAL",
            }],
        });
        write_whole(path, &format!("{ready:#}\n"), true)
    }

    /// Writes the reports that were asked for.
    pub(super) fn write(&self, all: &Report) -> Result<(), Failure> {
        if let Some(path) = &self.json {
            write_whole(path, &report::json(all), false)?;
        }
        if let Some(path) = &self.junit {
            write_whole(path, &report::junit(all), false)?;
        }
        if let Some(path) = &self.html {
            write_whole(path, &report::html(all), false)?;
        }
        Ok(())
    }
}

/// Writes a file beside its place and moves it there once it is whole.
fn write_whole(path: &Path, text: &str, private: bool) -> Result<(), Failure> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    let write = || {
        if beside.exists() {
            std::fs::remove_file(&beside)?;
        }
        let mut file =
            if private { private_file(&beside)? } else { std::fs::File::create(&beside)? };
        file.write_all(text.as_bytes())?;
        std::fs::rename(&beside, path)
    };
    write().map_err(|error| unusable(path, &error))
}

/// A file that cannot be used.
pub(super) fn unusable(path: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure::usage(format!("{}: {error}", path.display()))
}
