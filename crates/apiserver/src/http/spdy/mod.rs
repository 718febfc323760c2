//! SPDY/3.1 as Kubernetes speaks it: many streams over one connection, all of them begun by the client.
//!
//! Reading keeps pace with whoever takes a stream's data: a stream holds a few pieces, then the whole connection waits.
//! Windows are told to the client and not asked for, since client-go's library neither keeps nor tells any.

mod frames;
mod headers;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};

use self::frames::{Control, Farewell, Head, Reset};
use self::headers::HeaderReader;
pub(super) use self::headers::Headers;
use crate::cluster::lock;

/// What the client sent is no SPDY/3.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Broken;

/// The connection has ended, or the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gone;

/// More streams than this at a time are refused.
const MAX_STREAMS: usize = 256;

/// Data are passed on in pieces of at most this size.
const PIECE_BYTES: usize = 16 << 10;

/// How many pieces a stream holds until they are taken.
const PIECES: usize = 4;

/// How many frames wait to be written.
const FRAMES: usize = 16;

/// After how much data the client is told that its window is open again; its size is 64 KiB by default.
const WINDOW_BYTES: usize = 32 << 10;

/// How long the client may take to end its side of a connection that has ended on this one.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// What is to be written.
enum Out {
    Frame(Vec<u8>),
    End,
}

struct Entry {
    /// Where its data go; absent once the client has sent its last.
    data: Option<mpsc::Sender<Bytes>>,
    is_open_here: bool,
}

#[derive(Default)]
struct Table {
    streams: BTreeMap<u32, Entry>,
    last: u32,
    has_replied: bool,
}

impl Table {
    /// Notes that one side has sent its last.
    fn close(&mut self, stream: u32, is_here: bool) {
        let Some(entry) = self.streams.get_mut(&stream) else { return };
        if is_here {
            entry.is_open_here = false;
        } else {
            entry.data = None;
        }
        if entry.data.is_none() && !entry.is_open_here {
            self.streams.remove(&stream);
        }
    }
}

/// A connection, by whose end its streams end.
pub(super) struct Connection {
    begun: mpsc::Receiver<(u32, Headers, mpsc::Receiver<Bytes>)>,
    out: mpsc::Sender<Out>,
    table: Arc<Mutex<Table>>,
    driver: tokio::task::JoinHandle<()>,
    _stop: DropGuard,
}

/// A stream that the client wishes for, to be taken or refused.
pub(super) struct Offer {
    pub(super) headers: Headers,
    pub(super) id: u32,
    data: mpsc::Receiver<Bytes>,
    out: StreamWriter,
}

/// The client's side of a stream.
pub(super) struct StreamReader(mpsc::Receiver<Bytes>);

/// This side of a stream.
#[derive(Clone)]
pub(super) struct StreamWriter {
    id: u32,
    out: mpsc::Sender<Out>,
    table: Arc<Mutex<Table>>,
}

impl Connection {
    /// Takes a connection that has just changed its protocol.
    pub(super) fn new<S>(io: S) -> Self
    where
        S: AsyncRead + AsyncWrite + Send + 'static,
    {
        let (out, frames) = mpsc::channel(FRAMES);
        let (offers, begun) = mpsc::channel(1);
        let table = Arc::new(Mutex::new(Table::default()));
        let stop = CancellationToken::new();
        let reader = Reader { out: out.clone(), offers, table: Arc::clone(&table), unpacker: HeaderReader::default() };
        let driver = {
            let stop = stop.clone();
            tokio::spawn(async move {
                stop.run_until_cancelled(drive(io, reader, frames)).await;
            })
        };
        Self { begun, out, table, driver, _stop: stop.drop_guard() }
    }

    /// Waits for the next stream that the client begins.
    pub(super) async fn next(&mut self) -> Result<Offer, Gone> {
        let (id, headers, data) = self.begun.recv().await.ok_or(Gone)?;
        let out = StreamWriter { id, out: self.out.clone(), table: Arc::clone(&self.table) };
        Ok(Offer { headers, id, data, out })
    }

    /// Ends the connection once everything is written.
    pub(super) async fn end(self) {
        let last = lock(&self.table).last;
        let _ = self.out.send(Out::Frame(frames::go_away(last, Farewell::Ok))).await;
        let _ = self.out.send(Out::End).await;
        let _ = self.driver.await;
    }
}

impl Offer {
    /// Returns a header, empty when it is not there.
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// Takes the stream.
    pub(super) async fn take(self) -> Result<(StreamReader, StreamWriter), Gone> {
        let reply = {
            let mut table = lock(&self.out.table);
            let is_first = !std::mem::replace(&mut table.has_replied, true);
            frames::syn_reply(self.id, &headers::empty_block(is_first))
        };
        self.out.write(reply).await?;
        Ok((StreamReader(self.data), self.out))
    }

    /// Refuses the stream.
    pub(super) async fn refuse(self) -> Result<(), Gone> {
        self.out.reset().await
    }
}

impl StreamReader {
    /// Returns the next piece of data; `None` when the client has sent its last, or is gone.
    pub(super) async fn next(&mut self) -> Option<Bytes> {
        self.0.recv().await
    }
}

impl StreamWriter {
    async fn write(&self, frame: Vec<u8>) -> Result<(), Gone> {
        self.out.send(Out::Frame(frame)).await.map_err(|_| Gone)
    }

    fn is_open(&self) -> bool {
        lock(&self.table).streams.get(&self.id).is_some_and(|entry| entry.is_open_here)
    }

    /// Sends data.
    pub(super) async fn send(&self, bytes: &[u8]) -> Result<(), Gone> {
        for piece in bytes.chunks(PIECE_BYTES) {
            if !self.is_open() {
                return Err(Gone);
            }
            self.write(frames::data(self.id, false, piece)).await?;
        }
        Ok(())
    }

    /// Says that nothing more is sent.
    pub(super) async fn finish(&self) -> Result<(), Gone> {
        if !self.is_open() {
            return Ok(());
        }
        self.write(frames::data(self.id, true, b"")).await?;
        lock(&self.table).close(self.id, true);
        Ok(())
    }

    /// Ends the stream on both sides.
    pub(super) async fn reset(&self) -> Result<(), Gone> {
        if lock(&self.table).streams.remove(&self.id).is_none() {
            return Ok(());
        }
        self.write(frames::rst_stream(self.id, Reset::Cancel)).await
    }
}

async fn drive<S>(io: S, mut reader: Reader, mut frames: mpsc::Receiver<Out>)
where
    S: AsyncRead + AsyncWrite + Send + 'static,
{
    let (read, mut write) = tokio::io::split(io);
    let mut read = BufReader::with_capacity(PIECE_BYTES, read);
    let writing = async {
        while let Some(Out::Frame(frame)) = frames.recv().await {
            if write.write_all(&frame).await.is_err() || (frames.is_empty() && write.flush().await.is_err()) {
                return false;
            }
        }
        let _ = write.flush().await;
        write.shutdown().await.is_ok()
    };
    let has_ended = tokio::select! {
        biased;
        has_ended = writing => has_ended,
        result = reader.run(&mut read) => {
            lock(&reader.table).streams.clear();
            if result == Err(Broken) {
                tracing::debug!("A client broke the rules of SPDY");
                let last = lock(&reader.table).last;
                let _ = write.write_all(&frames::go_away(last, Farewell::ProtocolError)).await;
                let _ = write.shutdown().await;
            }
            false
        }
    };
    if has_ended {
        // A connection that is closed with words unread loses those that were sent last.
        let mut rest = tokio::io::sink();
        let _ = tokio::time::timeout(LAST_WORDS, tokio::io::copy(&mut read, &mut rest)).await;
    }
}

struct Reader {
    out: mpsc::Sender<Out>,
    offers: mpsc::Sender<(u32, Headers, mpsc::Receiver<Bytes>)>,
    table: Arc<Mutex<Table>>,
    unpacker: HeaderReader,
}

impl Reader {
    /// Reads until the client ends the connection.
    async fn run<R: AsyncRead + Unpin>(&mut self, read: &mut R) -> Result<(), Broken> {
        let mut unseen = 0;
        loop {
            let mut head = [0; 8];
            if read.read_exact(&mut head).await.is_err() {
                return Ok(());
            }
            match Head::read(head).ok_or(Broken)? {
                Head::Data { stream: 0, .. } => return Err(Broken),
                Head::Data { stream, flags, length } => {
                    if self.data(read, stream, length).await.is_err() {
                        return Ok(());
                    }
                    unseen += length;
                    if unseen >= WINDOW_BYTES {
                        self.write(frames::window_update(0, unseen as u32)).await;
                        unseen = 0;
                    }
                    if flags & frames::FIN != 0 {
                        lock(&self.table).close(stream, false);
                    }
                }
                Head::Control { kind, flags, length } => {
                    if length > frames::MAX_CONTROL_BYTES {
                        return Err(Broken);
                    }
                    let mut payload = vec![0; length];
                    if read.read_exact(&mut payload).await.is_err() {
                        return Ok(());
                    }
                    match Control::read(kind, flags, &payload).ok_or(Broken)? {
                        Control::Open { stream, is_last, headers } => self.open(stream, is_last, headers).await?,
                        Control::Headers { headers } => drop(self.unpacker.read(headers)?),
                        Control::Reset { stream } => drop(lock(&self.table).streams.remove(&stream)),
                        // An even one is the answer to a question that was never asked.
                        Control::Ping { id } if id % 2 == 1 => self.write(frames::ping(id)).await,
                        Control::GoAway => return Ok(()),
                        Control::Ping { .. } | Control::Other => {}
                    }
                }
            }
        }
    }

    async fn write(&self, frame: Vec<u8>) {
        let _ = self.out.send(Out::Frame(frame)).await;
    }

    async fn open(&mut self, stream: u32, is_last: bool, headers: &[u8]) -> Result<(), Broken> {
        let headers = self.unpacker.read(headers)?;
        let (data, taken) = mpsc::channel(PIECES);
        {
            let mut table = lock(&self.table);
            if stream.is_multiple_of(2) || stream <= table.last {
                return Err(Broken);
            }
            table.last = stream;
            if table.streams.len() < MAX_STREAMS {
                table.streams.insert(stream, Entry { data: (!is_last).then_some(data), is_open_here: true });
            }
        }
        if lock(&self.table).streams.contains_key(&stream) {
            let _ = self.offers.send((stream, headers, taken)).await;
        } else {
            self.write(frames::rst_stream(stream, Reset::Refused)).await;
        }
        Ok(())
    }

    /// Passes a frame's data on; what nobody reads is dropped.
    async fn data<R: AsyncRead + Unpin>(&self, read: &mut R, stream: u32, length: usize) -> Result<(), Gone> {
        let (is_known, queue) = {
            let table = lock(&self.table);
            let entry = table.streams.get(&stream);
            (stream <= table.last, entry.and_then(|entry| entry.data.clone()))
        };
        if !is_known {
            self.write(frames::rst_stream(stream, Reset::InvalidStream)).await;
        }
        let (mut left, mut unseen) = (length, 0);
        while left > 0 {
            let mut piece = BytesMut::with_capacity(left.min(PIECE_BYTES));
            let mut limited = (&mut *read).take(left.min(PIECE_BYTES) as u64);
            match limited.read_buf(&mut piece).await {
                Ok(count) if count > 0 => left -= count,
                _ => return Err(Gone),
            }
            unseen += piece.len();
            if let Some(queue) = &queue {
                let _ = queue.send(piece.freeze()).await;
            }
        }
        if unseen > 0 && queue.is_some() {
            self.write(frames::window_update(stream, unseen as u32)).await;
        }
        Ok(())
    }
}
