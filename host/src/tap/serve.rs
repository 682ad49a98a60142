//! `GET /tap/TENANT/PIPELINE`: samples over HTTP, one JSON object a line, until there are enough or the listener goes away.
//!
//! Records are shown to whoever reaches the listener, so that this answers on loopback only, unless the gateway's file says otherwise.
//! Settings, secrets and files are never shown.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HOST};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::stream::unfold;
use tokio_util::sync::CancellationToken;

use super::line::{Count, End, Line, ProblemLine, Start};
use super::{ListenFault, Listening, Wanted};
use crate::config::{DEFAULT_TENANT, HttpSettings, PipelineName};
use crate::pipeline::{Phase, Status, Statuses};
use crate::rows::nearest;

/// How long a stream says nothing: short enough that a person sees that it lives, and that a connection which is gone is noticed.
const QUIET: Duration = Duration::from_secs(2);

/// Where browsers say who asks. Those in use do for addresses of loopback.
const FETCH_SITE: &str = "sec-fetch-site";

/// Who may listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// Whoever reaches the address: the gateway's file says so.
    Open,
    /// Who is on this machine. A browser that was led here under another name is not meant.
    Loopback,
    /// Nobody, and why.
    Nobody(String),
}

impl Access {
    /// What a gateway's file says about its listener, which is bound to `address`.
    pub fn new(settings: &HttpSettings, address: SocketAddr) -> Self {
        match settings.tap {
            Some(true) => Self::Open,
            Some(false) => {
                Self::Nobody("the gateway's file turns it off with `tap = false` in its section [http]".into())
            }
            None if address.ip().is_loopback() => Self::Loopback,
            None => Self::Nobody(format!(
                "records are shown without authentication, and {address} is not loopback; `tap = true` in the section [http] of the \
                 gateway's file allows it"
            )),
        }
    }

    fn check(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let refuse = |why: &str| Err(Refusal::new(StatusCode::FORBIDDEN, format!("the tap is closed: {why}")));
        match self {
            Self::Open => Ok(()),
            Self::Nobody(why) => refuse(why),
            Self::Loopback if !names_loopback(headers) => refuse(
                "on loopback it answers to `localhost` and to addresses of loopback only; `tap = true` in the section [http] of \
                 the gateway's file allows other names",
            ),
            Self::Loopback if is_of_a_page(headers) => refuse(
                "on loopback it answers no page of another origin; open the address itself, or use `tidegate tap` or curl",
            ),
            Self::Loopback => Ok(()),
        }
    }
}

/// Whether the request was meant for this machine by a name that no other has: a page from elsewhere cannot read what is served here, unless
/// its own name is made to lead here.
fn names_loopback(headers: &HeaderMap) -> bool {
    let authority =
        headers.get(HOST).and_then(|host| host.to_str().ok()).and_then(|host| host.parse::<Authority>().ok());
    authority.is_some_and(|authority| {
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    })
}

/// Whether a page of another origin made a browser ask. It would not be shown the answer, but would hold a place at the tap.
fn is_of_a_page(headers: &HeaderMap) -> bool {
    headers.get_all(FETCH_SITE).iter().any(|site| site == "cross-site" || site == "same-site")
}

/// The taps of a gateway.
pub struct Taps {
    /// Of all pipelines.
    pub statuses: Statuses,
    /// Who may listen.
    pub access: Access,
    /// Cancelled when streams shall end.
    pub stop: CancellationToken,
}

/// The routes below `/tap`.
pub fn router(taps: Taps) -> Router {
    Router::new()
        .route("/tap/{tenant}/{pipeline}", get(by_name))
        .route("/tap/{pipeline}", get(by_pipeline))
        .with_state(Arc::new(taps))
}

/// An answer that is no stream: one line for a person.
struct Refusal {
    code: StatusCode,
    text: String,
}

impl Refusal {
    fn new(code: StatusCode, text: impl Into<String>) -> Self {
        Self { code, text: text.into() }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.code, self.text + "\n").into_response()
    }
}

async fn by_name(
    State(taps): State<Arc<Taps>>,
    Path((tenant, pipeline)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    taps.access.check(&headers)?;
    let name = PipelineName { tenant, pipeline };
    let status = taps.statuses.get(&name).ok_or_else(|| taps.unknown(&name.to_string()))?;
    taps.stream(&status, query.as_deref().unwrap_or_default())
}

async fn by_pipeline(
    State(taps): State<Arc<Taps>>,
    Path(pipeline): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    taps.access.check(&headers)?;
    let status = taps.named(&pipeline)?;
    taps.stream(&status, query.as_deref().unwrap_or_default())
}

impl Taps {
    /// The pipeline of this name of the default tenant, or the only one.
    fn named(&self, pipeline: &str) -> Result<Arc<Status>, Refusal> {
        let all = self.statuses.all();
        let all: Vec<_> = all.into_iter().filter(|status| status.name().pipeline == pipeline).collect();
        if let Some(status) = all.iter().find(|status| status.name().tenant == DEFAULT_TENANT) {
            return Ok(status.clone());
        }
        match all.as_slice() {
            [status] => Ok(status.clone()),
            [] => Err(self.unknown(pipeline)),
            several => {
                let names: Vec<_> = several.iter().map(|status| format!("`{}`", status.name())).collect();
                let names = names.join(", ");
                let text = format!("several pipelines are called `{pipeline}`: {names}; expected one of those names");
                Err(Refusal::new(StatusCode::NOT_FOUND, text))
            }
        }
    }

    fn unknown(&self, wrong: &str) -> Refusal {
        let full: Vec<String> = self.statuses.all().iter().map(|status| status.name().to_string()).collect();
        let hint = match nearest_name(wrong, &full) {
            _ if full.is_empty() => "; the gateway has none".to_owned(),
            Some(name) => format!("; the nearest is `{name}`"),
            // More than a few say nothing.
            None if full.len() <= 8 => format!("; there are `{}`", full.join("`, `")),
            None => format!("; there are {} others, which /readyz lists", full.len()),
        };
        Refusal::new(StatusCode::NOT_FOUND, format!("there is no pipeline `{wrong}`{hint}"))
    }

    fn stream(&self, status: &Arc<Status>, query: &str) -> Result<Response, Refusal> {
        let wanted = Wanted::parse(query).map_err(|fault| Refusal::new(StatusCode::BAD_REQUEST, fault))?;
        let (name, phase) = (status.name(), status.phase());
        if phase != Phase::Running {
            let problems = status.problems();
            let problems = problems.iter().map(|(subject, problem)| format!("; {subject}: {}", in_one_line(problem)));
            let text = format!("{name} is {}, and only a running pipeline can be tapped", phase.name());
            return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, problems.fold(text, |text, more| text + &more)));
        }
        let records = wanted.records;
        let listening = status.tap().listen(wanted).map_err(|fault| {
            let code = match fault {
                ListenFault::Route(_) => StatusCode::BAD_REQUEST,
                ListenFault::NotOpen | ListenFault::TooMany => StatusCode::SERVICE_UNAVAILABLE,
            };
            Refusal::new(code, format!("{name}: {fault}"))
        })?;
        tracing::info!(pipeline = %name, "tapped");
        let begin = Some(start(status).write());
        let stream = Stream { listening, begin, left: records, ended: false, stop: self.stop.clone() };
        let body = Body::from_stream(unfold(stream, |mut stream| async move {
            let line = stream.next().await?;
            Some((Ok::<_, Infallible>(line), stream))
        }));
        Ok(([(CONTENT_TYPE, "application/x-ndjson"), (CACHE_CONTROL, "no-store")], body).into_response())
    }
}

/// The name most like a wrong one: as a whole, or without the tenant where the wrong one has none or another.
fn nearest_name<'n>(wrong: &str, names: &'n [String]) -> Option<&'n str> {
    let without_tenant = |name: &'n String| name.rsplit('/').next().unwrap_or(name);
    let as_wholes = || nearest(wrong, &names.iter().map(String::as_str).collect::<Vec<_>>());
    let without_tenants = || {
        let wrong = wrong.rsplit('/').next().unwrap_or(wrong);
        let best = nearest(wrong, &names.iter().map(without_tenant).collect::<Vec<_>>())?;
        names.iter().find(|name| without_tenant(name) == best).map(String::as_str)
    };
    as_wholes().filter(|_| wrong.contains('/')).or_else(without_tenants)
}

fn in_one_line(text: &str) -> String {
    text.lines().map(str::trim).collect::<Vec<_>>().join(" ")
}

fn start(status: &Status) -> Line {
    let problems = status.problems().into_iter().map(|(subject, problem)| ProblemLine { subject, problem });
    Line::Start(Start {
        pipeline: status.name().to_string(),
        routes: status.tap().routes(),
        problems: problems.collect(),
    })
}

/// What one listener is still told.
struct Stream {
    listening: Listening,
    begin: Option<String>,
    /// Samples.
    left: u64,
    ended: bool,
    stop: CancellationToken,
}

impl Stream {
    async fn next(&mut self) -> Option<String> {
        if self.ended {
            return None;
        }
        if let Some(begin) = self.begin.take() {
            return Some(begin);
        }
        if self.left == 0 {
            return Some(self.end("enough"));
        }
        tokio::select! {
            biased;
            line = self.listening.next() => {
                self.left -= 1;
                Some(line)
            }
            () = self.stop.cancelled() => Some(self.end("stopping")),
            () = tokio::time::sleep(QUIET) => Some(Line::Count(self.listening.count()).write()),
        }
    }

    fn end(&mut self, why: &str) -> String {
        self.ended = true;
        let Count { records, skipped } = self.listening.count();
        Line::End(End { why: why.to_owned(), records, skipped }).write()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(address: &str, tap: Option<bool>) -> Access {
        let address = address.parse().unwrap();
        Access::new(&HttpSettings { listen: address, tap }, address)
    }

    #[test]
    fn beyond_loopback_only_the_gateways_file_opens_it() {
        assert_eq!(access("127.0.0.1:1", None), Access::Loopback);
        assert_eq!(access("[::1]:1", None), Access::Loopback);
        assert_eq!(access("0.0.0.0:1", Some(true)), Access::Open);
        let Access::Nobody(why) = access("0.0.0.0:1", None) else { panic!("it is open") };
        assert!(why.contains("0.0.0.0:1 is not loopback; `tap = true`"), "{why}");
        let Access::Nobody(why) = access("127.0.0.1:1", Some(false)) else { panic!("it is open") };
        assert!(why.contains("`tap = false`"), "{why}");
    }

    #[test]
    fn on_loopback_a_name_that_somebody_else_may_own_is_refused() {
        let check = |host: Option<&str>| {
            let mut headers = HeaderMap::new();
            if let Some(host) = host {
                headers.insert(HOST, host.parse().unwrap());
            }
            Access::Loopback.check(&headers).is_ok()
        };
        for host in ["127.0.0.1:9464", "localhost", "LOCALHOST:1", "[::1]:9464", "127.8.9.1"] {
            assert!(check(Some(host)), "{host}");
        }
        for host in ["evil.example:9464", "127.0.0.1.evil.example", "localhost.evil.example", "10.0.0.1", ""] {
            assert!(!check(Some(host)), "{host}");
        }
        assert!(!check(None));
    }

    #[test]
    fn on_loopback_a_page_of_another_origin_is_refused_and_who_asks_for_himself_is_not() {
        let check = |site: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, "localhost:9464".parse().unwrap());
            if let Some(site) = site {
                headers.insert("Sec-Fetch-Site", site.parse().unwrap());
            }
            Access::Loopback.check(&headers).map_err(|refusal| (refusal.code, refusal.text))
        };
        for site in [None, Some("none"), Some("same-origin")] {
            assert_eq!(check(site), Ok(()), "{site:?}");
        }
        for site in ["cross-site", "same-site"] {
            let (code, text) = check(Some(site)).unwrap_err();
            assert_eq!(code, StatusCode::FORBIDDEN);
            assert!(text.contains("no page of another origin"), "{text}");
        }
    }
}
