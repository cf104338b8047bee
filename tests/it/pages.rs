//! What a browser or a prober gets: the page, health, metrics, what is not there.

use reqwest::Method;
use tempfile::TempDir;

use crate::support::{TestApp, TestDatabase, answer, free_address};

/// The page for EHR engineers as one line.
async fn page(app: &TestApp) -> String {
    let page = app.fetch(Method::GET, "/developers").await;
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    page.text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[track_caller]
fn assert_says(page: &str, sentences: &[&str]) {
    for sentence in sentences {
        assert!(page.contains(sentence), "{sentence}: {page}");
    }
    assert!(!page.contains("{{") && !page.contains("}}"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn head_is_answered_wherever_get_is() {
    let app = TestApp::start().await;

    for path in ["/", "/health/live", "/health/ready"] {
        let (get, head) = (app.fetch(Method::GET, path).await, app.fetch(Method::HEAD, path).await);

        assert_eq!((get.status, head.status), (200, 200), "{path}");
        assert_eq!(head.text, "", "{path}");
        for name in ["content-type", "content-length"] {
            assert_eq!(head.header(name), get.header(name), "{path}");
        }
    }
    for path in ["/health/live", "/health/ready", "/metrics"] {
        let head = app.fetch_inside(Method::HEAD, path).await;

        assert_eq!((head.status, head.text.as_str()), (200, ""), "{path} inside");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_browser_takes_an_answer_for_another_type_than_it_says() {
    let app = TestApp::start().await;
    let cases = [
        ("/", 200),
        ("/IISService?wsdl", 200),
        ("/IISService", 405),
        ("/health/live", 200),
        ("/health/ready", 200),
        ("/nowhere", 404),
    ];

    for (path, status) in cases {
        let found = app.fetch(Method::GET, path).await;

        assert_eq!(found.status, status, "{path}");
        assert_eq!(found.header("x-content-type-options"), "nosniff", "{path}");
    }
    for path in ["/metrics", "/nowhere"] {
        let found = app.fetch_inside(Method::GET, path).await;

        assert_eq!(found.header("x-content-type-options"), "nosniff", "{path} inside");
    }
    let unsupported = app.post("image/png", "").await;
    assert_eq!(unsupported.status, 415);
    assert_eq!(unsupported.header("x-content-type-options"), "nosniff");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_took_a_wrong_turn_hears_what_there_is_on_this_listener() {
    let app = TestApp::start().await;

    let public = app.fetch(Method::GET, "/portal").await;
    let inside = app.fetch_inside(Method::GET, "/").await;
    let soap = app.fetch(Method::GET, "/IISService").await;
    let options = app.fetch(Method::OPTIONS, "/IISService").await;

    assert_eq!((public.status, inside.status), (404, 404));
    assert_eq!(
        public.text,
        "This page is not here. Check the address, or start at /. The SOAP service is at /IISService, its description at /IISService?wsdl.\n"
    );
    assert_eq!(
        inside.text,
        "Nothing is here. Health is at /health/live and /health/ready, metrics at /metrics.\n"
    );
    assert_eq!(soap.status, 405);
    assert_eq!(
        soap.text,
        "This address is for EHR software, not for a browser; the service answers. POST a SOAP envelope here, or GET \
         /IISService?wsdl for its description. An overview is at /.\n"
    );
    assert_eq!((options.status, options.header("allow")), (204, "GET, HEAD, OPTIONS, POST"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_says_what_the_defaults_are() {
    let app = TestApp::start().await;

    let page = page(&app).await;

    let service = format!("<code>{}</code>", app.endpoint());
    assert_says(
        &page,
        &[
            "no regional registry is connected",
            &service,
            ", SOAP 1.2 and 1.1.</dd>",
            "or a query, <code>QBP^Q11^QBP_Q11</code>.",
            "/api/v1/messages?control_id=MSH-10</code>",
            "With a test credential MSH-11 is <code>T</code> and",
            "with a production credential MSH-11 is <code>P</code> and",
        ],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_says_what_the_configuration_changed() {
    let dir = TempDir::new().unwrap();
    let password = dir.path().join("password");
    std::fs::write(&password, "harbor-lantern-quartz").unwrap();
    let toml = format!(
        "[server]\nsoap_1_1 = false\n\
         [gateway]\ntest_processing_ids = [\"T\", \"P\"]\nproduction_processing_ids = [\"D\"]\n\
         [regions.CAIRBA.test]\nurl = \"https://127.0.0.1:9/\"\nusername = \"u\"\nfacility_id = \"f\"\n\
         password_file = '{}'",
        password.display()
    );
    let app = TestApp::with(&toml).await;

    let page = page(&app).await;

    assert_says(
        &page,
        &[
            ", SOAP 1.2 only.</dd>",
            "With a test credential MSH-11 is <code>T or P</code> and",
            "with a production credential MSH-11 is <code>D</code> and",
        ],
    );
    assert!(!page.contains("no regional registry"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_host_of_its_own_tells_browsers_to_stay_with_tls() {
    let here = TestApp::start().await;
    let toml = "[server]\npublic_url = \"https://iz.example.gov/\"";
    let listen = free_address();
    let public =
        TestApp::listening(listen, TestDatabase::new(), TempDir::new().unwrap(), toml).await;

    let on_this_machine = here.fetch(Method::GET, "/").await;
    let of_its_own = public.http.get(format!("https://localhost:{}/", listen.port()));
    let of_its_own = answer(of_its_own.send().await.unwrap()).await;

    assert_eq!(on_this_machine.header("strict-transport-security"), "");
    assert_eq!(of_its_own.header("strict-transport-security"), "max-age=31536000");
    let engineers = public.http.get(format!("https://localhost:{}/developers", listen.port()));
    let engineers = answer(engineers.send().await.unwrap()).await;
    assert_says(&engineers.text, &["<code>https://iz.example.gov/IISService</code>"]);
}
