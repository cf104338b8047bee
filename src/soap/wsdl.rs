//! The published WSDL: our text of the CDC contract, with the address put in.

use crate::soap::write::escape_attribute;

/// The WSDL for a service at this public address (rows 83 to 86); the address comes from configuration.
pub fn wsdl(address: &str) -> String {
    TEMPLATE.replacen(PLACEHOLDER, &escape_attribute(address), 1)
}

/// Whether a query string asks for the WSDL, in any case (row 83).
pub fn wsdl_matches_query(query: &str) -> bool {
    let first = query.split('&').next().unwrap_or_default();
    let name = first.split('=').next().unwrap_or_default();
    name.eq_ignore_ascii_case("wsdl") || name.eq_ignore_ascii_case("singleWsdl")
}

const TEMPLATE: &str = include_str!("../../wsdl/iis-2011.wsdl");

const PLACEHOLDER: &str = "https://localhost/IISService";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_escaped_into_its_one_place() {
        let text = wsdl("https://iz.example.gov/soap?a=1&b=\"<2>\"");

        assert_eq!(TEMPLATE.matches(PLACEHOLDER).count(), 1);
        assert!(
            text.contains(
                "location=\"https://iz.example.gov/soap?a=1&amp;b=&quot;&lt;2&gt;&quot;\""
            )
        );
        assert!(!text.contains(PLACEHOLDER));
    }

    #[test]
    fn the_root_is_unprefixed_definitions_and_the_names_are_those_of_the_contract() {
        let text = wsdl("https://iz.example.gov/soap");

        assert!(text.contains("<definitions name=\"IISServiceNew\""));
        assert!(text.contains("targetNamespace=\"urn:cdc:iisb:2011\""));
        for name in
            ["client_Service", "client_Port_Soap12", "client_Binding_Soap12", "IIS_PortType"]
        {
            assert!(text.contains(&format!("name=\"{name}\"")), "{name}");
        }
        assert!(!text.contains("import"));
    }

    #[test]
    fn the_standalone_schema_is_the_schema_of_the_wsdl() {
        let squeeze = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let inside = |text: &str| {
            let (_, rest) = text.split_once("<xsd:complexType").unwrap();
            squeeze(rest.split_once("</xsd:schema>").unwrap().0)
        };

        assert_eq!(inside(TEMPLATE), inside(include_str!("../../schemas/iis-2011.xsd")));
    }

    #[test]
    fn every_spelling_of_the_query_is_understood() {
        for query in ["wsdl", "WSDL", "Wsdl", "wsdl=", "wsdl&x=1", "singleWsdl"] {
            assert!(wsdl_matches_query(query), "{query}");
        }
        for query in ["", "xsd=1", "wsdlx", "x=wsdl"] {
            assert!(!wsdl_matches_query(query), "{query}");
        }
    }
}
