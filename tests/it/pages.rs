//! What a browser or a prober gets: the page, health, metrics, what is not there.

use reqwest::Method;

use crate::support::TestApp;

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
