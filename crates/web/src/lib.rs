//! Pages, JSON and metrics over HTTP; decides nothing.
//!
//! Every view is a URL that works without scripts; with them, the page follows what happens. The JSON behind
//! `/api/apps` holds the same views as the page.

mod metrics;
mod page;
mod view;

use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use bowline_engine::Engine;
use futures::Stream;

pub use view::{AppRow, ObjectRow, rows};

/// Changes within this time are told together: a page that changes more often cannot be read.
const TOLD_TOGETHER: Duration = Duration::from_millis(100);

/// Serves the engine's pages, its JSON, `/healthz`, `/readyz` and `/metrics`.
pub fn router(engine: Engine) -> Router {
    Router::new()
        .route("/", get(apps_page))
        .route("/apps", get(apps_fragment))
        .route("/apps/{kind}/{namespace}/{name}", get(app_page))
        .route("/api/apps", get(apps_json))
        .route("/live", get(live))
        .route("/style.css", get(async || asset("text/css; charset=utf-8", include_str!("style.css"))))
        .route("/live.js", get(async || asset("text/javascript; charset=utf-8", include_str!("live.js"))))
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics_text))
        .fallback(async || not_found())
        .with_state(engine)
}

fn asset(content_type: &'static str, content: &'static str) -> Response {
    ([(header::CONTENT_TYPE, content_type), (header::CACHE_CONTROL, "no-cache")], content).into_response()
}

/// Pages fetch nothing from anywhere else, and run no script that is not a file of ours.
fn html(markup: maud::Markup) -> Response {
    let policy = "default-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'";
    ([(header::CONTENT_SECURITY_POLICY, policy)], Html(markup.into_string())).into_response()
}

fn not_found() -> Response {
    (StatusCode::NOT_FOUND, html(page::not_found())).into_response()
}

async fn apps_page(State(engine): State<Engine>) -> Response {
    html(page::apps(&rows(&engine.apps())))
}

async fn apps_fragment(State(engine): State<Engine>) -> Response {
    html(page::apps_table(&rows(&engine.apps())))
}

async fn app_page(
    State(engine): State<Engine>,
    Path((kind, namespace, name)): Path<(String, String, String)>,
) -> Response {
    let found = rows(&engine.apps())
        .into_iter()
        .find(|row| row.kind.eq_ignore_ascii_case(&kind) && row.namespace == namespace && row.name == name);
    match found {
        Some(row) => html(page::app(&row)),
        None => not_found(),
    }
}

async fn apps_json(State(engine): State<Engine>) -> Response {
    axum::Json(serde_json::json!({ "items": rows(&engine.apps()) })).into_response()
}

async fn ready(State(engine): State<Engine>) -> Response {
    if engine.is_ready() {
        "ok\n".into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "the cluster has not been read yet\n").into_response()
    }
}

async fn metrics_text(State(engine): State<Engine>) -> Response {
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, content_type)], metrics::text(&engine)).into_response()
}

/// Tells that something changed; the page then asks for what it shows.
async fn live(State(engine): State<Engine>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let edition = engine.edition();
    let stream = futures::stream::unfold(edition, async |mut edition| {
        edition.changed().await.ok()?;
        tokio::time::sleep(TOLD_TOGETHER).await;
        let number = *edition.borrow_and_update();
        Some((Ok(Event::default().event("apps").data(number.to_string())), edition))
    });
    Sse::new(stream).keep_alive(KeepAlive::default())
}
