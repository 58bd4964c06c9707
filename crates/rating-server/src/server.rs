//! Listening, and what is asked where.

use std::fs::File;
use std::io::{self, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http_body_util::{BodyExt, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use moa_rating::Desk;
use tokio::sync::{Semaphore, watch};

use crate::guard::{TOKEN, check_origin, is_token};
use crate::page::Page;
use crate::reply::{Refusal, Reply, reply};
use crate::{Options, ServerError, api};

/// How long open requests may take to end when the server stops.
const LAST_REQUESTS: Duration = Duration::from_secs(2);

/// A server that runs. It stops when this is dropped.
#[derive(Debug)]
pub struct Handle {
    address: String,
    socket: SocketAddr,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Handle {
    /// Returns the address of the page, with its token.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Returns where the server listens.
    pub fn socket(&self) -> SocketAddr {
        self.socket
    }

    /// Lets open requests end and stops. An answer that was received is on the disk then.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let _ = self.stop.send(true);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Server {
    desk: Desk,
    token: String,
    page: Page,
    options: Options,
}

/// Starts a server for the raters at a desk, in a thread of its own.
///
/// # Errors
/// Refuses a port that is taken and a token that could be guessed.
pub fn serve(desk: Desk, options: Options) -> Result<Handle, ServerError> {
    let token = match &options.token {
        Some(token)
            if token.len() >= 16 && token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)) =>
        {
            token.clone()
        }
        Some(token) => return Err(ServerError::Token { length: token.chars().count() }),
        None => random_token().map_err(ServerError::Start)?,
    };
    let failed = |source| ServerError::Listen { port: options.port, source };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port)).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    let socket = listener.local_addr().map_err(failed)?;
    let address = format!("http://{socket}/?token={token}");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(ServerError::Start)?;
    let (stop, stopped) = watch::channel(false);
    let page = Page::new(&options.title);
    let server = Arc::new(Server { desk, token, page, options });
    let run = move || {
        runtime.block_on(accept(server, listener, stopped));
        // What reads images or writes answers ends by itself.
        runtime.shutdown_timeout(LAST_REQUESTS);
    };
    let thread = thread::Builder::new().name("rating server".into()).spawn(run).map_err(ServerError::Start)?;
    Ok(Handle { address, socket, stop, thread: Some(thread) })
}

fn random_token() -> io::Result<String> {
    let mut bytes = [0; 24];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

async fn accept(server: Arc<Server>, listener: TcpListener, mut stopped: watch::Receiver<bool>) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    let connections = server.options.connections.max(1);
    let free = Arc::new(Semaphore::new(connections));
    loop {
        let accepted = tokio::select! {
            () = told(&mut stopped) => break,
            accepted = async {
                let permit = free.clone().acquire_owned().await;
                (permit, listener.accept().await)
            } => accepted,
        };
        let (Ok(permit), Ok((stream, _))) = accepted else {
            // Out of file handles, most likely: others end.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let (server, mut stopped) = (server.clone(), stopped.clone());
        tokio::spawn(async move {
            let _permit = permit;
            let timeout = server.options.timeout;
            let service = service_fn(move |request| {
                let server = server.clone();
                async move { Ok::<_, std::convert::Infallible>(server.answer(request).await) }
            });
            let mut builder = http1::Builder::new();
            builder.timer(TokioTimer::new()).header_read_timeout(timeout).max_buf_size(32 * 1024);
            let connection = builder.serve_connection(TokioIo::new(stream), service);
            let mut connection = std::pin::pin!(connection);
            tokio::select! {
                _ = connection.as_mut() => {}
                () = told(&mut stopped) => {
                    connection.as_mut().graceful_shutdown();
                    let _ = connection.await;
                }
            }
        });
    }
    drop(listener);
    // All connections have ended when all permits are free.
    let all = free.acquire_many(u32::try_from(connections).unwrap_or(u32::MAX));
    let _ = tokio::time::timeout(LAST_REQUESTS, all).await;
}

/// Waits until the server is told to stop.
async fn told(stopped: &mut watch::Receiver<bool>) {
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

impl Server {
    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Reply {
        let timeout = self.options.timeout;
        match tokio::time::timeout(timeout, self.route(request)).await {
            Ok(Ok(reply)) => reply,
            Ok(Err(refusal)) => refusal.into(),
            Err(_) => Refusal::new(StatusCode::REQUEST_TIMEOUT, "the request took too long").into(),
        }
    }

    async fn route(self: Arc<Self>, request: Request<Incoming>) -> Result<Reply, Refusal> {
        check_origin(request.headers())?;
        let path = request.uri().path().to_owned();
        let known = path == "/" || path.starts_with("/image/") || path.starts_with("/api/");
        if !known {
            return Err(Refusal::new(StatusCode::NOT_FOUND, "there is nothing here"));
        }
        self.check_token(&request, path.starts_with("/api/"))?;
        let method = if path.starts_with("/api/") { Method::POST } else { Method::GET };
        if request.method() != method {
            let mut reply: Reply = Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "another method is wanted").into();
            reply
                .headers_mut()
                .insert(ALLOW, HeaderValue::from_static(if method == Method::POST { "POST" } else { "GET" }));
            return Ok(reply);
        }
        if let Some(id) = path.strip_prefix("/image/") {
            return self.image(id.to_owned()).await;
        }
        let Some(call) = path.strip_prefix("/api/") else { return Ok(self.page.reply()) };
        let call = call.to_owned();
        let body = self.body(request).await?;
        self.blocking(move |server| api::answer(&server.desk, &server.options.title, &call, &body)).await
    }

    /// Refuses requests without the token: the address of page and images has it, calls have it in a header.
    fn check_token(&self, request: &Request<Incoming>, is_call: bool) -> Result<(), Refusal> {
        let given = if is_call {
            request.headers().get(TOKEN).and_then(|token| token.to_str().ok())
        } else {
            let query = request.uri().query().unwrap_or_default();
            query.split('&').find_map(|part| part.strip_prefix("token="))
        };
        if given.is_some_and(|given| is_token(&self.token, given)) {
            return Ok(());
        }
        Err(Refusal::new(StatusCode::UNAUTHORIZED, "the token is missing or wrong: open the address that moa printed"))
    }

    async fn body(&self, request: Request<Incoming>) -> Result<Bytes, Refusal> {
        let headers = request.headers();
        let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if kind.split(';').next().map(str::trim) != Some("application/json") {
            return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "send application/json"));
        }
        let largest = self.options.largest_body;
        let large = || Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, format!("send at most {largest} bytes"));
        let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        if length.is_some_and(|length| length > largest as u64) {
            return Err(large());
        }
        let body = Limited::new(request.into_body(), largest).collect().await;
        body.map(http_body_util::Collected::to_bytes).map_err(|error| {
            let is_large = error.downcast_ref::<http_body_util::LengthLimitError>().is_some();
            if is_large { large() } else { Refusal::new(StatusCode::BAD_REQUEST, "the request ended too soon") }
        })
    }

    async fn image(self: Arc<Self>, id: String) -> Result<Reply, Refusal> {
        self.blocking(move |server| {
            let pool = server.desk.pool();
            let missing = |error: moa_rating::RatingError| Refusal::new(StatusCode::NOT_FOUND, error.to_string());
            let place = pool.place(&id).map_err(missing)?;
            // The path of the file may say what drew the image.
            let gone = |error| match error {
                moa_rating::RatingError::Image { problem, .. } => Refusal::new(StatusCode::GONE, problem),
                other => missing(other),
            };
            let bytes = pool.read(place).map_err(gone)?;
            let kind = kind_of(&bytes).ok_or_else(|| {
                Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the file is not PNG, JPEG, WebP or GIF")
            })?;
            let mut reply = reply(kind, bytes);
            // Prepared ahead, and shown from there.
            reply.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("private, max-age=3600, immutable"));
            Ok(reply)
        })
        .await
    }

    /// Runs what reads or writes files beside the server's thread.
    async fn blocking(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> Result<Reply, Refusal> + Send + 'static,
    ) -> Result<Reply, Refusal> {
        let server = self.clone();
        let done = tokio::task::spawn_blocking(move || work(&server)).await;
        done.unwrap_or_else(|_| Err(Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "this failed: see moa's terminal")))
    }
}

/// Returns the kind of an image by its first bytes: names may lie.
fn kind_of(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0x89, b'P', b'N', b'G', ..] => Some("image/png"),
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [b'G', b'I', b'F', b'8', ..] => Some("image/gif"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some("image/webp"),
        _ => None,
    }
}
