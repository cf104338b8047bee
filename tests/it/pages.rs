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
        "Nothing is here. An overview is at /, the SOAP service at /IISService, its description at /IISService?wsdl.\n"
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
