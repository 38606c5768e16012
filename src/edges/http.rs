//! The HTTP side: `/metrics`, `/livez`, `/readyz`.
//!
//! `/livez` fails when the engine has not gone around for [`LIVE_FOR_S`]; `/readyz` until the first
//! chunk went through. Both say why.

use crate::edges::metrics::Metrics;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;
use tokio::net::TcpListener;

/// Seconds without a turn of the engine after which the process counts as stuck.
pub const LIVE_FOR_S: i64 = 30;

struct App {
    metrics: Arc<Metrics>,
    started: Instant,
}

impl App {
    fn now_us(&self) -> i64 {
        self.started.elapsed().as_micros() as i64
    }
}

/// Takes the address.
///
/// # Errors
/// If it cannot be had.
pub async fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(address).await
}

/// Serves for ever. `started` is the zero of [`crate::edges::metrics::Health`]'s times.
///
/// # Errors
/// If the listener fails.
pub async fn serve(listener: TcpListener, metrics: Arc<Metrics>, started: Instant) -> std::io::Result<()> {
    let app = Arc::new(App { metrics, started });
    let router = Router::new()
        .route("/metrics", get(metrics_text))
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/-/healthy", get(livez))
        .route("/-/ready", get(readyz))
        .with_state(app);
    axum::serve(listener, router).await
}

async fn metrics_text(State(app): State<Arc<App>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], app.metrics.text())
}

async fn livez(State(app): State<Arc<App>>) -> impl IntoResponse {
    let still_s = (app.now_us() - app.metrics.health.turned_at_us.load(Ordering::Relaxed)) / 1_000_000;
    if still_s > LIVE_FOR_S {
        (StatusCode::SERVICE_UNAVAILABLE, format!("the engine has not moved for {still_s} s\n"))
    } else {
        (StatusCode::OK, "ok\n".to_string())
    }
}

async fn readyz(State(app): State<Arc<App>>) -> impl IntoResponse {
    if app.metrics.health.ready.load(Ordering::Relaxed) == 1 {
        (StatusCode::OK, "ok\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "nothing has been committed yet\n")
    }
}
