//! Listening on loopback, until told to stop.

use std::{
    io::ErrorKind,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
};

use anyhow::Context;
use axum::Router;
use tokio::{net::TcpListener, signal, sync::watch};

/// Sockets on one port of 127.0.0.1 and, where the machine has IPv6, `::1`.
#[derive(Debug)]
pub(crate) struct Listeners {
    sockets: Vec<TcpListener>,
    port: u16,
}

impl Listeners {
    /// Binds `port`, or with 0 any that is free.
    pub(crate) async fn bind(port: u16) -> anyhow::Result<Self> {
        let v4 = bind((Ipv4Addr::LOCALHOST, port).into()).await?;
        let port = v4.local_addr()?.port();
        let mut sockets = vec![v4];
        match TcpListener::bind((Ipv6Addr::LOCALHOST, port)).await {
            Ok(v6) => sockets.push(v6),
            Err(error) if error.kind() == ErrorKind::AddrInUse => return Err(busy(port)),
            Err(_) => tracing::warn!("no IPv6 on this machine: listening on 127.0.0.1 only"),
        }
        Ok(Self { sockets, port })
    }

    /// Where to call.
    pub(crate) fn url(&self) -> String {
        format!("http://localhost:{}", self.port)
    }

    /// Serves until Ctrl-C or a termination signal, then finishes what is in flight. A second Ctrl-C
    /// ends at once.
    pub(crate) async fn serve(self, router: Router) -> anyhow::Result<()> {
        let (stop, stopped) = watch::channel(false);
        let servers: Vec<_> = self
            .sockets
            .into_iter()
            .map(|socket| {
                let mut stopped = stopped.clone();
                let serve = axum::serve(socket, router.clone());
                tokio::spawn(async move {
                    serve
                        .with_graceful_shutdown(async move {
                            // An error means that nobody is left to say it.
                            let _ = stopped.wait_for(|stopped| *stopped).await;
                        })
                        .await
                })
            })
            .collect();
        drop(stopped);

        stop_signal().await?;
        tracing::info!("stopping: finishing what is in flight, Ctrl-C again to end at once");
        stop.send_replace(true);
        let finish = async {
            for server in servers {
                server.await.context("server task")??;
            }
            anyhow::Ok(())
        };
        tokio::select! {
            result = finish => result,
            _ = stop_signal() => Ok(()),
        }
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
        "port {port} is taken by another process; choose another with --port, or any free one with \
         --port 0"
    )
}

#[cfg(unix)]
async fn stop_signal() -> anyhow::Result<()> {
    let mut terminate = signal::unix::signal(signal::unix::SignalKind::terminate())?;
    tokio::select! {
        result = signal::ctrl_c() => Ok(result?),
        _ = terminate.recv() => Ok(()),
    }
}

#[cfg(not(unix))]
async fn stop_signal() -> anyhow::Result<()> {
    Ok(signal::ctrl_c().await?)
}
