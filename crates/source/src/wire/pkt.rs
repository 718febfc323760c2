//! Packet lines: four hexadecimal digits of length, then the data.

use std::io;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, BufReader};

use super::Body;

/// The largest packet line, its four digits included.
const MAX_LINE: usize = 65520;

/// One packet line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Pkt {
    Data(Bytes),
    /// `0000`: the end of a message.
    Flush,
    /// `0001`: the end of a section.
    Delimiter,
    /// `0002`: the end of a response.
    ResponseEnd,
}

impl Pkt {
    /// The line as text without its line feed; empty when it is no text line.
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Data(data) => std::str::from_utf8(data).unwrap_or_default().trim_end_matches('\n'),
            _ => "",
        }
    }
}

pub(super) struct PktReader {
    body: BufReader<Body>,
}

impl PktReader {
    pub(super) fn new(body: Body) -> Self {
        Self { body: BufReader::with_capacity(16 * 1024, body) }
    }

    /// Reads one line; the end of the stream is an `UnexpectedEof`.
    pub(super) async fn next(&mut self) -> io::Result<Pkt> {
        let mut digits = [0; 4];
        self.body.read_exact(&mut digits).await?;
        let length = std::str::from_utf8(&digits).ok().and_then(|text| usize::from_str_radix(text, 16).ok());
        let length = match length {
            Some(0) => return Ok(Pkt::Flush),
            Some(1) => return Ok(Pkt::Delimiter),
            Some(2) => return Ok(Pkt::ResponseEnd),
            Some(length @ 4..=MAX_LINE) => length - 4,
            _ => return Err(io::Error::new(io::ErrorKind::InvalidData, "a packet line has no valid length")),
        };
        let mut data = BytesMut::zeroed(length);
        self.body.read_exact(&mut data).await?;
        Ok(Pkt::Data(data.freeze()))
    }
}

/// A request under construction.
#[derive(Debug, Default)]
pub(super) struct Request(BytesMut);

impl Request {
    pub(super) fn line(&mut self, text: &str) -> &mut Self {
        let length = text.len() + 5;
        assert!(length <= MAX_LINE, "holds because lines are capabilities, ids and checked names");
        self.0.extend_from_slice(format!("{length:04x}{text}\n").as_bytes());
        self
    }

    pub(super) fn delimiter(&mut self) -> &mut Self {
        self.0.extend_from_slice(b"0001");
        self
    }

    pub(super) fn flush(&mut self) -> &mut Self {
        self.0.extend_from_slice(b"0000");
        self
    }

    pub(super) fn finish(self) -> Bytes {
        self.0.freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_are_read_as_they_were_written() {
        let mut request = Request::default();
        request.line("command=ls-refs").delimiter().line("peel").flush();
        let mut reader = PktReader::new(Box::new(io::Cursor::new(request.finish())));
        assert_eq!(reader.next().await.expect("is there").text(), "command=ls-refs");
        assert_eq!(reader.next().await.expect("is there"), Pkt::Delimiter);
        assert_eq!(reader.next().await.expect("is there").text(), "peel");
        assert_eq!(reader.next().await.expect("is there"), Pkt::Flush);
        assert_eq!(reader.next().await.expect_err("is over").kind(), io::ErrorKind::UnexpectedEof);
    }

    #[tokio::test]
    async fn nonsense_is_an_error() {
        for nonsense in ["zzzz", "0003", "fff5", "<htm", "0009a"] {
            let mut reader = PktReader::new(Box::new(io::Cursor::new(nonsense.as_bytes())));
            assert!(reader.next().await.is_err(), "{nonsense}");
        }
    }
}
