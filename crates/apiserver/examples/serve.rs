//! Serves one cluster on a loopback port and prints its kubeconfig: `cargo run -p bowline-apiserver --example serve`.
//!
//! With `--plain` it speaks HTTP without TLS, with `--rbac` roles decide who may do what.

use std::io::Write as _;
use std::sync::Arc;

use bowline_apiserver::{Authorization, Cluster, Identity, Options, Transport};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let asked = |flag: &str| std::env::args().any(|arg| arg == flag);
    let identity = Arc::new(Identity::generate(&[])?);
    let authorization = if asked("--rbac") { Authorization::Rbac } else { Authorization::AlwaysAllow };
    let token = Some("admin".to_owned());
    let options = Options { token, authorization, identity: Some(Arc::clone(&identity)), ..Options::default() };
    let cluster = Cluster::new(options);
    let transport = if asked("--plain") { Transport::Plain } else { Transport::Tls(identity) };
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let mut out = std::io::stdout().lock();
    write!(out, "{}", cluster.kubeconfig(listener.local_addr()?, &transport))?;
    out.flush()?;
    drop(out);
    cluster.serve(listener, transport, CancellationToken::new()).await;
    Ok(())
}
