//! `/metrics` for Prometheus, `/livez` and `/readyz` for whoever restarts or watches the gateway, `/tap` for who looks at records.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::serve::ListenerExt;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use crate::config::HttpSettings;
use crate::metrics::Metrics;
use crate::pipeline::{Phase, Statuses};
use crate::tap::{self, Access, Taps};

/// How long the other end of a connection may take nothing of what is sent to it: less than a person waits before a
/// terminal that hangs is given up, more than a network hiccup lasts.
const UNREAD: Duration = Duration::from_secs(30);

/// What is served.
pub struct Served {
    /// Who may see what.
    pub settings: HttpSettings,
    /// Of the gateway.
    pub metrics: Arc<Metrics>,
    /// Of all pipelines.
    pub statuses: Statuses,
    /// Cancelled when serving shall end.
    pub stop: CancellationToken,
}

/// Serves until `stop` is cancelled.
pub async fn serve(listener: TcpListener, served: Served) {
    let Served { settings, metrics, statuses, stop } = served;
    let address = listener.local_addr().unwrap_or(settings.listen);
    let taps = Taps { statuses: statuses.clone(), access: Access::new(&settings, address), stop: stop.clone() };
    let encode = move || {
        let metrics = metrics.clone();
        async move { ([(CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], metrics.encode()) }
    };
    let router = Router::new()
        .route("/metrics", get(encode))
        .route("/livez", get(|| async { "alive\n" }))
        .route("/readyz", get(ready))
        .with_state(statuses)
        .merge(tap::router(taps));
    let listener = listener.tap_io(|connection| limit_waiting(connection));
    let served = axum::serve(listener, router).with_graceful_shutdown(async move { stop.cancelled().await }).await;
    if let Err(fault) = served {
        tracing::error!("serve metrics: {fault}");
    }
}

/// Ends the connection of a reader that stands still, which nothing else would.
fn limit_waiting(connection: &TcpStream) {
    // Where it cannot be set, such a connection lasts until its other end goes.
    #[cfg(target_os = "linux")]
    let _ = socket2::SockRef::from(connection).set_tcp_user_timeout(Some(UNREAD));
    #[cfg(not(target_os = "linux"))]
    let _ = (connection, UNREAD);
}

/// Ready once every pipeline that was there at the start has got past its own: it consumes, or its files are refused, which another try would not
/// change. The text has a line for every pipeline, one for what it waits for by its schedule, and one for everything that is
/// wrong.
async fn ready(State(statuses): State<Statuses>) -> impl IntoResponse {
    let mut text = String::new();
    let mut code = StatusCode::OK;
    for status in statuses.all() {
        let phase = status.phase();
        if matches!(phase, Phase::Starting | Phase::Stopped) && !status.is_late() {
            code = StatusCode::SERVICE_UNAVAILABLE;
        }
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}: {}", status.name(), phase.name());
        for (subject, note) in status.notes() {
            let _ = writeln!(text, "  {subject}: {note}");
        }
        for (subject, problem) in status.problems() {
            // One of several lines stays below its pipeline.
            let _ = writeln!(text, "  {subject}: {}", problem.replace('\n', "\n    "));
        }
        if let Some(running) = status.versions().running {
            let probation = if running.on_probation { ", on probation" } else { "" };
            let since = running.since.format("%Y-%m-%d %H:%M:%S");
            let (name, version) = (running.name, running.version);
            let _ = writeln!(text, "  version: {name} {version} ({:.12}) since {since} UTC{probation}", running.plugin);
        }
    }
    (code, text)
}
