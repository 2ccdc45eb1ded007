//! Serves on loopback until a stop signal.

use std::{
    io::{self, ErrorKind},
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
};

use anyhow::Context;
use axum::Router;
use futures::future::join_all;
use hyper_util::service::TowerToHyperService;
use tokio::{
    net::{TcpListener, lookup_host},
    signal,
};
use tokio_util::sync::CancellationToken;

/// Attempts to find a port that is free for both address families.
const ATTEMPTS: u32 = 10;

/// Sockets on one port of a host; by default of 127.0.0.1 and, where the machine has IPv6, `::1`.
#[derive(Debug)]
pub(crate) struct Listeners {
    sockets: Vec<TcpListener>,
    host: String,
    port: u16,
}

impl Listeners {
    /// Binds `port`; 0 means any free port.
    pub(crate) async fn bind(host: Option<&str>, port: u16) -> anyhow::Result<Self> {
        match host {
            None => Self::on_loopback(port).await,
            Some(host) => Self::on_host(host, port).await,
        }
    }

    async fn on_host(host: &str, port: u16) -> anyhow::Result<Self> {
        let mut addresses = lookup_host((host, port))
            .await
            .with_context(|| format!("--host {host} is no address of this machine"))?;
        let address = addresses.next().context("--host has no address")?;
        let socket = bind(address).await?;
        let host = match address {
            SocketAddr::V6(_) if host.contains(':') => format!("[{host}]"),
            _ => host.to_owned(),
        };
        Ok(Self {
            port: socket.local_addr()?.port(),
            sockets: vec![socket],
            host,
        })
    }

    async fn on_loopback(port: u16) -> anyhow::Result<Self> {
        let mut attempts = if port == 0 { ATTEMPTS } else { 1 };
        loop {
            attempts -= 1;
            let v4 = bind((Ipv4Addr::LOCALHOST, port).into()).await?;
            let bound = v4.local_addr()?.port();
            let mut sockets = vec![v4];
            match TcpListener::bind((Ipv6Addr::LOCALHOST, bound)).await {
                Ok(v6) => sockets.push(v6),
                Err(error) if error.kind() == ErrorKind::AddrInUse && attempts > 0 => continue,
                Err(error) if error.kind() == ErrorKind::AddrInUse => return Err(busy(bound)),
                Err(error) => {
                    tracing::warn!(%error, "cannot listen on ::1; listening on 127.0.0.1 only")
                }
            }
            return Ok(Self {
                sockets,
                host: "localhost".to_owned(),
                port: bound,
            });
        }
    }

    /// The base URL.
    pub(crate) fn url(&self) -> String {
        format!("http://{}:{}", self.host, self.port)
    }

    /// Serves until `stop` is cancelled, then finishes the requests in flight.
    pub(crate) async fn serve(self, router: Router, stop: CancellationToken) {
        let service = TowerToHyperService::new(router);
        let serve = |socket| caas_server::serve(socket, service.clone(), stop.clone());
        join_all(self.sockets.into_iter().map(serve)).await;
    }
}

async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .map_err(|error| match error.kind() {
            ErrorKind::AddrInUse => busy(address.port()),
            _ => anyhow::Error::new(error).context(format!("cannot listen on {address}")),
        })
}

fn busy(port: u16) -> anyhow::Error {
    anyhow::anyhow!(
        "port {port} is in use by another process; choose another with --port, or any free port \
         with --port 0"
    )
}

/// What asks the program to stop: Ctrl-C and, on Unix, SIGTERM.
pub(crate) struct StopSignals {
    #[cfg(unix)]
    interrupt: signal::unix::Signal,
    #[cfg(unix)]
    terminate: signal::unix::Signal,
    #[cfg(windows)]
    interrupt: signal::windows::CtrlC,
}

impl StopSignals {
    /// Registers all of them: from here on none ends the program by itself.
    pub(crate) fn listen() -> io::Result<Self> {
        #[cfg(unix)]
        use signal::unix::{SignalKind, signal};
        Ok(Self {
            #[cfg(unix)]
            interrupt: signal(SignalKind::interrupt())?,
            #[cfg(unix)]
            terminate: signal(SignalKind::terminate())?,
            #[cfg(windows)]
            interrupt: signal::windows::ctrl_c()?,
        })
    }

    /// Waits for the next one.
    pub(crate) async fn next(&mut self) {
        #[cfg(unix)]
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
        #[cfg(windows)]
        self.interrupt.recv().await;
    }
}
