use std::borrow::Cow;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use bowline_model::Remote;
use bytes::Bytes;
use futures::stream;
use russh::client::{self, AuthResult, Handle};
use russh::keys::{Algorithm, HashAlg, PrivateKeyWithHashAlg, PublicKeyOrCertificate, decode_secret_key};
use russh::{ChannelMsg, ChannelReadHalf, ChannelWriteHalf, Preferred};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_util::io::StreamReader;
use tokio_util::task::AbortOnDropHandle;

use super::SERVICE;
use super::known_hosts::{HostKeys, Verdict};
use super::pkt::PktReader;
use super::session::remote_message;
use crate::SourceError;
use crate::remote::{Parts as _, SshAddress};

/// How many packets wait between the connection and the reader; beyond, the server is made to wait.
const QUEUE: usize = 16;

/// The most that is kept of what a server says beside the protocol.
const MAX_STDERR: usize = 4096;

/// A repository over SSH: one channel for the whole conversation.
pub(super) struct SshLink {
    shown: String,
    writer: ChannelWriteHalf<client::Msg>,
    reader: PktReader,
    /// What the server said beside the protocol.
    aside: Arc<Mutex<Vec<u8>>>,
    pump: AbortOnDropHandle<()>,
    /// Keeps the connection.
    _connection: Handle<HostCheck>,
}

impl SshLink {
    pub(super) async fn open(remote: &Remote, address: &SshAddress) -> Result<Self, SourceError> {
        let shown = remote.shown_url();
        let connection = connect(remote, address, &shown).await?;
        let unreachable = |error: russh::Error| unreachable(&shown, error);
        let channel = connection.channel_open_session().await.map_err(unreachable)?;
        // Servers may ignore the wish; then they speak version 0.
        channel.set_env(false, "GIT_PROTOCOL", "version=2").await.map_err(unreachable)?;
        let quoted = address.path.replace('\'', r"'\''");
        channel.exec(false, format!("{SERVICE} '{quoted}'")).await.map_err(unreachable)?;
        let (from_server, writer) = channel.split();
        let aside = Arc::new(Mutex::new(Vec::new()));
        let (sender, receiver) = mpsc::channel(QUEUE);
        let pump = AbortOnDropHandle::new(tokio::spawn(pump(from_server, sender, Arc::clone(&aside))));
        let body = stream::unfold(receiver, async |mut receiver| Some((receiver.recv().await?, receiver)));
        let reader = PktReader::new(Box::new(StreamReader::new(Box::pin(body))));
        Ok(Self { shown, writer, reader, aside, pump, _connection: connection })
    }

    pub(super) async fn send(&mut self, request: Bytes) -> Result<(), SourceError> {
        self.writer.data_bytes(request).await.map_err(|error| unreachable(&self.shown, error))
    }

    pub(super) fn reader(&mut self) -> &mut PktReader {
        &mut self.reader
    }

    /// Says what the end of the stream means: mostly the server told why, beside the protocol.
    pub(super) async fn explain(&mut self, error: io::Error) -> SourceError {
        if error.kind() == io::ErrorKind::InvalidData {
            return SourceError::Protocol { url: self.shown.clone(), why: error.to_string() };
        }
        // The stream has ended, so the pump ends as well, with all that was said.
        let _ended = (&mut self.pump).await;
        let said = self.aside.lock().unwrap_or_else(PoisonError::into_inner);
        let said = String::from_utf8_lossy(&said);
        if said.trim().is_empty() {
            let why = "its answer ends too early".into();
            return SourceError::Protocol { url: self.shown.clone(), why };
        }
        remote_message(&self.shown, &said)
    }
}

async fn pump(mut channel: ChannelReadHalf, sender: mpsc::Sender<io::Result<Bytes>>, aside: Arc<Mutex<Vec<u8>>>) {
    let mut sender = Some(sender);
    // After the end of the data the server may still say why it ended.
    while let Some(message) = channel.wait().await {
        match message {
            ChannelMsg::Data { data } => {
                let Some(open) = &sender else { continue };
                if open.send(Ok(data)).await.is_err() {
                    return;
                }
            }
            ChannelMsg::ExtendedData { data, .. } => {
                let mut aside = aside.lock().unwrap_or_else(PoisonError::into_inner);
                let room = MAX_STDERR.saturating_sub(aside.len()).min(data.len());
                aside.extend_from_slice(&data[..room]);
            }
            ChannelMsg::Eof => sender = None,
            ChannelMsg::Close => return,
            _ => {}
        }
    }
}

/// Connects and proves both sides to each other.
async fn connect(remote: &Remote, address: &SshAddress, shown: &str) -> Result<Handle<HostCheck>, SourceError> {
    let known = remote.credentials.known_hosts.as_deref().unwrap_or_default();
    let known = HostKeys::of(known, &address.host, address.port);
    let config = client::Config { preferred: preferred(&known), nodelay: true, ..client::Config::default() };
    let refusal = Arc::new(Mutex::new(None));
    let check = HostCheck {
        host: if address.port == 22 { address.host.clone() } else { format!("[{}]:{}", address.host, address.port) },
        known,
        insecure: remote.credentials.insecure,
        refusal: Arc::clone(&refusal),
    };
    let stream = TcpStream::connect((address.host.as_str(), address.port)).await;
    let stream = stream.map_err(|error| SourceError::Unreachable { url: shown.to_owned(), source: Box::new(error) })?;
    let mut connection = match client::connect_stream(Arc::new(config), stream, check).await {
        Ok(connection) => connection,
        Err(error) => {
            let refused = refusal.lock().unwrap_or_else(PoisonError::into_inner).take();
            return Err(refused.unwrap_or_else(|| unreachable(shown, error)));
        }
    };
    authenticate(remote, address, shown, &mut connection).await?;
    Ok(connection)
}

async fn authenticate(
    remote: &Remote,
    address: &SshAddress,
    shown: &str,
    connection: &mut Handle<HostCheck>,
) -> Result<(), SourceError> {
    let failed = |error: russh::Error| unreachable(shown, error);
    let credentials = &remote.credentials;
    let basic = credentials.basic();
    let password = basic.as_ref().map(|basic| &basic.password).or(address.password.as_ref());
    // A user in the address wins; without one, that of the credentials may say more than the usual `git`.
    let user = match &basic {
        Some(basic) if !basic.username.is_empty() && !remote.url.contains('@') => &basic.username,
        _ => &address.user,
    };
    let key = credentials.ssh_key();
    let given = key.is_some() || password.is_some();
    let result = if let Some(key) = key {
        let passphrase = key.passphrase.as_ref().map(bowline_model::Secret::reveal);
        let key = decode_secret_key(key.private_key.reveal(), passphrase)
            .map_err(|error| SourceError::InvalidCredentials { what: "SSH key", why: error.to_string() })?;
        let hash = if key.algorithm().is_rsa() {
            connection.best_supported_rsa_hash().await.map_err(failed)?.flatten()
        } else {
            None
        };
        let key = PrivateKeyWithHashAlg::new(Arc::new(key), hash);
        connection.authenticate_publickey(user, key).await.map_err(failed)?
    } else if let Some(password) = password {
        connection.authenticate_password(user, password.reveal()).await.map_err(failed)?
    } else {
        connection.authenticate_none(user).await.map_err(failed)?
    };
    match result {
        AuthResult::Success => Ok(()),
        AuthResult::Failure { .. } if given => Err(SourceError::AuthenticationRefused { url: shown.to_owned() }),
        AuthResult::Failure { .. } => Err(SourceError::AuthenticationRequired { url: shown.to_owned() }),
    }
}

/// Puts the kinds of key on record first, as OpenSSH does: else a server with several keys might present
/// one of another kind, which would look like a changed key.
fn preferred(known: &HostKeys) -> Preferred {
    let mut order: Vec<Algorithm> = Preferred::DEFAULT.key.to_vec();
    let kinds: Vec<Algorithm> = known.kinds().collect();
    let is_on_record = |algorithm: &Algorithm| {
        kinds.iter().any(|kind| kind == algorithm || (kind.clone().is_rsa() && algorithm.clone().is_rsa()))
    };
    order.sort_by_key(|algorithm| !is_on_record(algorithm));
    Preferred { key: Cow::Owned(order), ..Preferred::DEFAULT }
}

fn unreachable(shown: &str, error: russh::Error) -> SourceError {
    SourceError::Unreachable { url: shown.to_owned(), source: Box::new(error) }
}

/// Judges the server's key.
struct HostCheck {
    host: String,
    known: HostKeys,
    insecure: bool,
    /// Why the key was refused: the library passes on only that it was.
    refusal: Arc<Mutex<Option<SourceError>>>,
}

impl client::Handler for HostCheck {
    type Error = russh::Error;

    async fn check_server_key(&mut self, presented: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        if self.insecure {
            return Ok(true);
        }
        // Certificates are never asked for, so a server presents a bare key.
        let PublicKeyOrCertificate::PublicKey { key, .. } = presented else { return Ok(false) };
        let (host, key_type) = (self.host.clone(), key.algorithm().to_string());
        let fingerprint = key.fingerprint(HashAlg::Sha256).to_string();
        let refusal = match self.known.judge(key) {
            Verdict::Known => return Ok(true),
            Verdict::Unknown => SourceError::HostKeyUnknown { host, key_type, fingerprint },
            Verdict::Mismatch => SourceError::HostKeyMismatch { host, key_type, fingerprint },
        };
        *self.refusal.lock().unwrap_or_else(PoisonError::into_inner) = Some(refusal);
        Ok(false)
    }
}
