//! `/metrics` for Prometheus, `/livez` and `/readyz` for whoever restarts or watches the gateway.

use std::fmt::Write;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;
use crate::pipeline::{Phase, Status};

/// Serves until `stop` is cancelled.
pub async fn serve(listener: TcpListener, metrics: Arc<Metrics>, statuses: Vec<Arc<Status>>, stop: CancellationToken) {
    let encode = move || {
        let metrics = metrics.clone();
        async move { ([(CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], metrics.encode()) }
    };
    let router = Router::new()
        .route("/metrics", get(encode))
        .route("/livez", get(|| async { "alive\n" }))
        .route("/readyz", get(ready))
        .with_state(Arc::new(statuses));
    let served = axum::serve(listener, router).with_graceful_shutdown(async move { stop.cancelled().await }).await;
    if let Err(fault) = served {
        tracing::error!("serve metrics: {fault}");
    }
}

/// Ready once every pipeline has got past its start: it consumes, or its files are refused, which another try would not
/// change. The text has a line for every pipeline, one for what it waits for by its schedule, and one for everything that is
/// wrong.
async fn ready(State(statuses): State<Arc<Vec<Arc<Status>>>>) -> impl IntoResponse {
    let mut text = String::new();
    let mut code = StatusCode::OK;
    for status in statuses.iter() {
        let phase = status.phase();
        if matches!(phase, Phase::Starting | Phase::Stopped) {
            code = StatusCode::SERVICE_UNAVAILABLE;
        }
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}: {}", status.name(), phase.name());
        for (subject, note) in status.notes() {
            let _ = writeln!(text, "  {subject}: {note}");
        }
        for (subject, problem) in status.problems() {
            let _ = writeln!(text, "  {subject}: {problem}");
        }
    }
    (code, text)
}
