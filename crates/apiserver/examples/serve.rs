//! Serves one cluster on a loopback port and prints its kubeconfig: `cargo run -p bowline-apiserver --example serve`.
//!
//! With `--plain` it speaks HTTP without TLS.

use std::io::Write as _;
use std::sync::Arc;

use bowline_apiserver::{Cluster, Identity, Options, Transport};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let cluster = Cluster::new(Options { token: Some("admin".to_owned()), ..Options::default() });
    let transport = if std::env::args().any(|arg| arg == "--plain") {
        Transport::Plain
    } else {
        Transport::Tls(Arc::new(Identity::generate(&[])?))
    };
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let mut out = std::io::stdout().lock();
    write!(out, "{}", cluster.kubeconfig(listener.local_addr()?, &transport))?;
    out.flush()?;
    drop(out);
    cluster.serve(listener, transport, CancellationToken::new()).await;
    Ok(())
}
