//! The page itself: who is served it, and under which policy.

use reqwest::StatusCode;

use crate::harness::{Gateway, Process, files, write_project};

const HOURS: (&str, &str) =
    ("actions/hours.yaml", "description: Says when.\ntype: static\nresponse: {open: '9 to 5'}\n");

async fn get(gateway: &Gateway, path: &str, headers: &[(&str, &str)]) -> reqwest::Response {
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_gzip().no_brotli();
    let request = client.build().unwrap().get(format!("{}{path}", gateway.url));
    headers.iter().fold(request, |request, (name, value)| request.header(*name, *value)).send().await.unwrap()
}

#[tokio::test]
async fn the_page_is_served_under_a_policy_and_kept_by_browsers() {
    let gateway = Gateway::start(&files(9, &[HOURS])).await;
    for path in ["/", "/console"] {
        let response = get(&gateway, path, &[]).await;
        assert_eq!(response.status(), StatusCode::TEMPORARY_REDIRECT, "{path}");
        // Relative: a proxy may serve the gateway below a path.
        assert_eq!(response.headers()["location"], "console/", "{path}");
    }
    let page = get(&gateway, "/console/", &[]).await;
    assert_eq!(
        (page.status(), &page.headers()["content-type"]),
        (StatusCode::OK, &"text/html; charset=utf-8".parse().unwrap())
    );
    assert_eq!(page.headers()["cache-control"], "no-cache");
    let tag = page.headers()["etag"].clone();
    let html = page.text().await.unwrap();
    let again = get(&gateway, "/console/", &[("if-none-match", tag.to_str().unwrap())]).await;
    assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    let script = html.split("src=\"").nth(1).unwrap().split('"').next().unwrap();
    for headers in [&[][..], &[("accept-encoding", "gzip")], &[("accept-encoding", "br, gzip;q=0")]] {
        let served = get(&gateway, &format!("/console/{script}"), headers).await;
        assert_eq!(served.headers()["content-type"], "text/javascript; charset=utf-8");
        assert_eq!(served.headers()["cache-control"], "public, max-age=31536000, immutable");
        let policy = served.headers()["content-security-policy"].to_str().unwrap().to_owned();
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self'"), "{policy}");
        assert!(!policy.contains("unsafe") && policy.contains("frame-ancestors 'none'"), "{policy}");
        assert_eq!(served.headers()["x-content-type-options"], "nosniff");
        assert_eq!(served.headers()["referrer-policy"], "no-referrer");
        let wants_gzip = headers == [("accept-encoding", "gzip")];
        assert_eq!(served.headers().get("content-encoding").is_some(), wants_gzip, "{headers:?}");
    }
    // Not the page: a script that is missing must not be answered with HTML.
    let missing = get(&gateway, "/console/main-0.js", &[]).await;
    assert_eq!(
        (missing.status(), &missing.headers()["content-type"]),
        (StatusCode::NOT_FOUND, &"application/problem+json".parse().unwrap())
    );
    for path in ["/console/../secrets.toml", "/console/%2e%2e/Cargo.toml", "/console//etc/passwd"] {
        assert_eq!(get(&gateway, path, &[]).await.status(), StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn without_keys_the_page_is_for_this_machine() {
    let gateway = Gateway::start(&files(9, &[HOURS])).await;
    for (headers, allowed) in [
        (&[("host", "rebound.test")][..], false),
        (&[("host", "localhost:8080")], true),
        // A person follows a link from another page.
        (&[("sec-fetch-site", "cross-site"), ("sec-fetch-dest", "document")], true),
        (&[("host", "rebound.test"), ("sec-fetch-dest", "document")], false),
        // Another page loads it as something else.
        (&[("sec-fetch-site", "cross-site"), ("sec-fetch-dest", "iframe")], false),
        (&[("sec-fetch-site", "cross-site"), ("sec-fetch-dest", "script")], false),
        (&[("origin", "https://evil.test")], false),
    ] {
        let expected = if allowed { StatusCode::OK } else { StatusCode::FORBIDDEN };
        assert_eq!(get(&gateway, "/console/", headers).await.status(), expected, "{headers:?}");
    }
}

#[tokio::test]
async fn with_keys_the_page_needs_none_and_its_questions_do() {
    let hash = "sha256:902ef1308cd4f740f5f3e5f824cb568598b5e1cc420a3abc5d65c394337caf1f";
    let keys = format!("[[keys]]\nname = \"one\"\nhash = \"{hash}\"\n");
    let gateway = Gateway::start(&files(9, &[HOURS, ("callgate.toml", &keys)])).await;
    assert_eq!(get(&gateway, "/console/", &[("host", "gate.example.com")]).await.status(), StatusCode::OK);
    assert_eq!(get(&gateway, "/v1/environments", &[]).await.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_setting_turns_the_page_off() {
    let settings = "[server]\nconsole = false\n".to_owned();
    let project = write_project(&[("callgate.toml", settings), ("actions/hours.yaml", HOURS.1.to_owned())]);
    let process = Process::serve(project.path(), &[]);
    for path in ["/", "/console", "/console/"] {
        let (status, problem) = process.get(path).await;
        assert_eq!((status, &problem["code"]), (404, &"not_found".into()), "{path}");
        assert!(problem["detail"].as_str().unwrap().contains("console = true"), "{problem}");
    }
    assert!(!process.written().contains("console"), "{}", process.written());
}
