//! One HTTP/1.1 listener, stopped gracefully.

use std::{error::Error, io, pin::pin, time::Duration};

use http::{Request, Response};
use hyper::{
    body::{Body, Incoming},
    server::conn::http1,
    service::Service,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;

/// How long requests in progress may take once the server stops.
const GRACE: Duration = Duration::from_secs(10);

/// The wait after a failed accept (too many open files).
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How long a connection may be silent after the stop before its first request.
const SILENCE: Duration = Duration::from_millis(500);

/// How long a new connection may send nothing.
const FIRST_BYTE: Duration = Duration::from_secs(30);

/// How long a client may send nothing of a body, or read nothing of a response.
const STALL: Duration = Duration::from_secs(60);

/// Serves HTTP/1.1 on `listener` until `stop` is cancelled, then gives the requests that have arrived
/// ten seconds to finish. When it returns, no connection is open.
pub async fn serve<S, B>(listener: TcpListener, service: S, stop: CancellationToken)
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
            // Without this the set would grow with every connection.
            Some(_) = connections.join_next() => continue,
        };
        let Ok((stream, _)) = accepted else {
            sleep(ACCEPT_PAUSE).await;
            continue;
        };
        connections.spawn(serve_connection(stream, service.clone(), stop.clone()));
    }
    for stream in take_backlog(listener).unwrap_or_default() {
        connections.spawn(serve_connection(stream, service.clone(), stop.clone()));
    }
    let finish = async { while connections.join_next().await.is_some() {} };
    if timeout(GRACE, finish).await.is_err() {
        tracing::warn!("requests in progress were cut off");
    }
    connections.shutdown().await;
}

/// Closes the listener. That would reset the connections not yet accepted, so it accepts them first.
fn take_backlog(listener: TcpListener) -> io::Result<Vec<TcpStream>> {
    let listener = listener.into_std()?;
    let accepted = listener.incoming().map_while(Result::ok);
    let streams = accepted.map(|stream| {
        stream.set_nonblocking(true)?;
        TcpStream::from_std(stream)
    });
    streams.collect()
}

async fn serve_connection<S, B>(stream: TcpStream, service: S, stop: CancellationToken)
where
    S: Service<Request<Incoming>, Response = Response<B>>,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    // Head and body are two writes: Nagle's algorithm would delay the second.
    let _ = stream.set_nodelay(true);
    // On a graceful shutdown hyper closes a connection from which it has read nothing, even if a request
    // has arrived: so the connection learns of the stop only after its first read.
    tokio::select! {
        _ = stream.readable() => {}
        () = async { stop.cancelled().await; sleep(SILENCE).await } => return,
        () = sleep(FIRST_BYTE) => return,
    }
    let mut stream = TimeoutStream::new(stream);
    stream.set_read_timeout(Some(STALL));
    stream.set_write_timeout(Some(STALL));
    // With half_close, hyper reads only what the service waits for: a long response does not time out.
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .half_close(true)
            .serve_connection(TokioIo::new(Box::pin(stream)), service)
    );
    let ended = tokio::select! {
        biased;
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "connection ended");
    }
}

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, net::SocketAddr};

    use bytes::Bytes;
    use http_body_util::{BodyExt, Full};
    use hyper::service::service_fn;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        sync::mpsc,
    };
    use tokio_util::sync::DropGuard;

    use super::*;

    #[tokio::test]
    async fn a_stop_answers_what_has_arrived_and_closes_the_rest() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut requests = Vec::new();
        for _ in 0..50 {
            let mut client = TcpStream::connect(address).await.unwrap();
            let request = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
            client.write_all(request).await.unwrap();
            requests.push(client);
        }
        let mut silent = TcpStream::connect(address).await.unwrap();
        let stop = CancellationToken::new();
        stop.cancel();
        let respond = |_| async { Ok::<_, Infallible>(Response::new(String::new())) };
        serve(listener, service_fn(respond), stop).await;
        let mut response = String::new();
        for mut client in requests {
            response.clear();
            client.read_to_string(&mut response).await.unwrap();
            assert!(response.starts_with("HTTP/1.1 200 OK"), "{response}");
        }
        response.clear();
        assert_eq!(silent.read_to_string(&mut response).await.unwrap(), 0);
        assert!(TcpStream::connect(address).await.is_err());
    }

    /// As `nc -N` does.
    #[tokio::test(start_paused = true)]
    async fn a_client_that_half_closes_gets_its_response() {
        let (address, _stop) = start(async |_| {
            sleep(GRACE).await; // the end of the client's half has arrived
            Response::new(Full::from("done"))
        })
        .await;
        let mut client = TcpStream::connect(address).await.unwrap();
        let request = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
        client.write_all(request).await.unwrap();
        client.shutdown().await.unwrap();
        let mut response = String::new();
        client.read_to_string(&mut response).await.unwrap();
        assert!(response.ends_with("done"), "{response:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stalls_is_broken_off() {
        let (sender, mut broken) = mpsc::unbounded_channel();
        let (address, _stop) = start(move |request: Request<Incoming>| {
            let sender = sender.clone();
            async move {
                let body = request.into_body().collect().await;
                sender.send(body.is_err()).unwrap();
                Response::new(Full::default())
            }
        })
        .await;
        let mut client = TcpStream::connect(address).await.unwrap();
        let request = b"PUT / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nhalf";
        client.write_all(request).await.unwrap();
        assert_eq!(broken.recv().await, Some(true));
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_never_reads_is_let_go() {
        let (address, _stop) = start(async |_| Response::new(Full::from(vec![7; 64 << 20]))).await;
        let mut client = TcpStream::connect(address).await.unwrap();
        let request = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
        client.write_all(request).await.unwrap();
        sleep(2 * STALL).await;
        let mut response = Vec::new();
        let _ = client.read_to_end(&mut response).await;
        assert!(response.len() < 64 << 20, "the whole response was kept");
    }

    async fn start<F>(
        respond: impl Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    ) -> (SocketAddr, DropGuard)
    where
        F: Future<Output = Response<Full<Bytes>>> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = service_fn(move |request| {
            let response = respond(request);
            async { Ok::<_, Infallible>(response.await) }
        });
        let stop = CancellationToken::new();
        tokio::spawn(serve(listener, service, stop.clone()));
        (address, stop.drop_guard())
    }
}
