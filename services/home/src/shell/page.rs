//! The page: its routes, its headers, and its first paint.
//!
//! The page works without scripts: the server writes the whole status into it, and a browser
//! without scripts asks again by itself. Everything it needs is inside this program.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use bus::day::{Stretch, Was};
use bus::home::{HomeStatus, StatusSource, UplinkKind, UplinkState};
use bus::view::{UplinkView, View};
use tokio::sync::Semaphore;

use super::bus::Published;
use super::server::Arrived;
use super::{events, host};

/// Most streams of events open at once, a quarter of all connections: a page left open in every
/// browser of the house must not keep the next one out.
pub const EVENT_STREAMS: usize = 16;

const _: () = assert!(EVENT_STREAMS * 4 <= super::server::CONNECTIONS);

/// Sent with every answer. Nothing may be loaded from elsewhere, framed, guessed or kept.
const HEADERS: [(HeaderName, &str); 5] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; \
         img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (header::CACHE_CONTROL, "no-store"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
];

#[derive(Clone, Debug)]
struct Page {
    published: Published,
    names: Arc<[String]>,
    streams: Arc<Semaphore>,
}

/// The routes of the page. `names` are the host names it answers to.
pub fn router(published: Published, names: Vec<String>) -> Router {
    let streams = Arc::new(Semaphore::new(EVENT_STREAMS));
    let page = Page { published, names: names.into(), streams };
    let own = |kind: &'static str, text: &'static str| {
        get(move || async move { ([(header::CONTENT_TYPE, kind)], text) })
    };
    Router::new()
        .route("/", get(first_paint))
        .route("/status.json", get(status))
        .route("/events", get(stream))
        .route("/page.css", own("text/css; charset=utf-8", include_str!("../../page/page.css")))
        .route(
            "/page.js",
            own("text/javascript; charset=utf-8", include_str!("../../page/page.js")),
        )
        .route("/icon.svg", own("image/svg+xml", include_str!("../../page/icon.svg")))
        .layer(middleware::from_fn_with_state(page.clone(), guard))
        .with_state(page)
}

async fn guard(
    State(page): State<Page>,
    Extension(Arrived(arrived)): Extension<Arrived>,
    request: Request,
    next: Next,
) -> Response {
    let asked = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let mut response = if asked.is_some_and(|asked| host::is_ours(asked, arrived, &page.names)) {
        next.run(request).await
    } else {
        (StatusCode::MISDIRECTED_REQUEST, "This box does not go by that name.\n").into_response()
    };
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

async fn first_paint(State(page): State<Page>) -> Response {
    let body = paint(&view(&page.published.status()));
    ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], body).into_response()
}

async fn status(State(page): State<Page>) -> Response {
    let body = view_json(&page.published.status());
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

async fn stream(State(page): State<Page>) -> Response {
    match Arc::clone(&page.streams).try_acquire_owned() {
        Ok(place) => events::response(page.published, place),
        Err(_) => {
            let later = [(header::RETRY_AFTER, "10")];
            (StatusCode::SERVICE_UNAVAILABLE, later, "Too many pages are open.\n").into_response()
        }
    }
}

fn view(status: &HomeStatus) -> View {
    View::of(status, daemon::clock::now())
}

/// The status as the page's script and other programs read it.
pub fn view_json(status: &HomeStatus) -> String {
    serde_json::to_string(&view(status)).expect("a view is texts and lists of texts")
}

/// The whole page with `view` written into it.
fn paint(view: &View) -> String {
    let rows: String = view.uplinks.iter().map(paint_row).collect();
    let light = word(&view.light);
    let slots: [(&str, &str); 9] = [
        ("blank", &paint_row(&BLANK)),
        ("light", &light),
        ("headline", view.headline),
        ("why", &view.why),
        ("lasting", &view.lasting),
        ("way", view.way),
        ("version", &view.image.version),
        ("note", view.image.note),
        ("rows", &rows),
    ];
    fill(include_str!("../../page/page.html"), &slots)
}

fn paint_row(uplink: &UplinkView) -> String {
    let state = word(&uplink.state);
    let known = if uplink.day.is_empty() { "unknown" } else { "known" };
    let slots: [(&str, &str); 12] = [
        ("name", &uplink.name),
        ("state", &state),
        ("label", uplink.label),
        ("words", uplink.words),
        ("lasting", &uplink.lasting),
        ("policy", uplink.policy),
        ("day", known),
        ("day-words", &uplink.day_words),
        ("up", &drawn(&uplink.day, Was::Up)),
        ("partly", &drawn(&uplink.day, Was::Partly)),
        ("down", &drawn(&uplink.day, Was::Down)),
        ("plan", &uplink.plan),
    ];
    fill(include_str!("../../page/uplink.html"), &slots)
}

/// Those stretches of `day` in which the uplink was `was`, as a path one step wide for each step.
fn drawn(day: &[Stretch], was: Was) -> String {
    let these = day.iter().filter(|stretch| stretch.was == was);
    these.map(|Stretch { from, steps, .. }| format!("M{from} 0h{steps}v1h-{steps}z")).collect()
}

/// The word that stands for `value` in JSON.
fn word(value: &impl serde::Serialize) -> String {
    let json = serde_json::to_string(value).expect("a word is a text");
    json.trim_matches('"').to_owned()
}

/// The row from which the page's script makes new ones.
const BLANK: UplinkView = UplinkView {
    name: String::new(),
    kind: UplinkKind::Unknown,
    label: "",
    state: UplinkState::Unknown,
    words: "",
    lasting: String::new(),
    policy: "",
    day: Vec::new(),
    day_words: String::new(),
    plan: String::new(),
};

/// `template` with each `{{slot}}` replaced by its text. Texts are escaped, except for rows, whose
/// parts have been.
fn fill(template: &str, slots: &[(&str, &str)]) -> String {
    let mut parts = template.split("{{");
    let mut filled = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once("}}").expect("each {{ of our templates has its }}");
        let (_, text) = slots.iter().find(|(slot, _)| *slot == name).expect("each slot is filled");
        filled.push_str(&if matches!(name, "rows" | "blank") {
            (*text).to_owned()
        } else {
            escape(text)
        });
        filled.push_str(rest);
    }
    filled
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(c),
        }
    }
    escaped
}
