//! The address of an endpoint, as it stands in a configuration.

use std::net::IpAddr;

use reqwest::Url;

use crate::client::{CallError, Egress};

/// An address with a scheme that is encrypted and a host that may be called.
#[derive(Clone, Debug)]
pub struct Address(Url);

impl Address {
    /// Reads the `https` address of a SOAP service.
    ///
    /// # Errors
    /// When it is something else, or names a host by a number that `egress` does not permit.
    pub fn https(text: &str, egress: &Egress) -> Result<Self, CallError> {
        Self::of("https://", text, egress)
    }

    /// Reads `mllps://HOST:PORT`, the address of an MLLP listener behind TLS.
    ///
    /// # Errors
    /// As [`Address::https`].
    pub fn mllps(text: &str, egress: &Egress) -> Result<Self, CallError> {
        let address = Self::of("mllps://", text, egress)?;
        let url = &address.0;
        if url.port().is_none() || !matches!(url.path(), "" | "/") || url.query().is_some() {
            return Err(settings("must be mllps://HOST:PORT and nothing more"));
        }
        Ok(address)
    }

    /// The host, without the brackets of an IPv6 address.
    pub(super) fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default().trim_matches(['[', ']'])
    }

    pub(super) fn port(&self) -> u16 {
        self.0.port_or_known_default().unwrap_or_default()
    }

    pub(super) const fn url(&self) -> &Url {
        &self.0
    }

    fn of(scheme: &str, text: &str, egress: &Egress) -> Result<Self, CallError> {
        if !text.starts_with(scheme) {
            return Err(settings(format!("must begin with {scheme}")));
        }
        let url = Url::parse(text).map_err(|error| settings(format!("is no address: {error}")))?;
        if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
            return Err(settings("must not hold a user name, a password or a fragment"));
        }
        let address = Self(url);
        match address.host().parse::<IpAddr>() {
            _ if address.host().is_empty() => Err(settings("names no host")),
            Ok(number) if !egress.permits(number) => Err(CallError::AddressRefused),
            _ => Ok(address),
        }
    }
}

fn settings(problem: impl Into<String>) -> CallError {
    CallError::Settings(problem.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_encrypted_and_whole() {
        let egress = Egress::default();

        for text in ["https://iis.example/a?b=c", "https://iis.example:8443", "https://8.8.8.8/"] {
            Address::https(text, &egress).unwrap();
        }
        for text in [
            "http://iis.example/",
            "iis.example",
            "https://",
            "https://me:x@iis.example/",
            "https://a/#b",
        ] {
            let error = Address::https(text, &egress).unwrap_err();
            assert!(matches!(error, CallError::Settings(_)), "{text}: {error}");
        }
        let address = Address::mllps("mllps://[2606:4700::1]:2575", &egress).unwrap();
        assert_eq!((address.host(), address.port()), ("2606:4700::1", 2575));
        for text in ["mllp://iis.example:2575", "mllps://iis.example", "mllps://iis.example:1/a"] {
            let error = Address::mllps(text, &egress).unwrap_err();
            assert!(matches!(error, CallError::Settings(_)), "{text}: {error}");
        }
    }

    #[test]
    fn a_host_by_number_is_looked_at_in_every_spelling() {
        for text in [
            "https://127.0.0.1/",
            "https://127.1/",
            "https://2130706433/",
            "https://0x7f000001/",
            "https://0177.0.0.1/",
            "https://127.0.0.1./",
            "https://10.0.0.1/",
            "https://[::1]/",
            "https://[::ffff:127.0.0.1]/",
            "https://[::ffff:a00:1]/",
        ] {
            assert_eq!(
                Address::https(text, &Egress::default()).unwrap_err(),
                CallError::AddressRefused,
                "{text}"
            );
            Address::https(text, &Egress::anywhere()).unwrap();
        }
    }
}
