//! Header blocks of SPDY/3: names and values, compressed in one zlib stream a direction.

use std::collections::BTreeMap;

use flate2::{Decompress, FlushDecompress, Status};

use super::Broken;

/// The words that every compressor may refer to before it has sent any (SPDY/3, 2.6.10.1), each with its length before it.
const WORDS: &[&str] = &[
    "options",
    "head",
    "post",
    "put",
    "delete",
    "trace",
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "accept-ranges",
    "age",
    "allow",
    "authorization",
    "cache-control",
    "connection",
    "content-base",
    "content-encoding",
    "content-language",
    "content-length",
    "content-location",
    "content-md5",
    "content-range",
    "content-type",
    "date",
    "etag",
    "expect",
    "expires",
    "from",
    "host",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "last-modified",
    "location",
    "max-forwards",
    "pragma",
    "proxy-authenticate",
    "proxy-authorization",
    "range",
    "referer",
    "retry-after",
    "server",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "vary",
    "via",
    "warning",
    "www-authenticate",
    "method",
    "get",
    "status",
    "200 OK",
    "version",
    "HTTP/1.1",
    "url",
    "public",
    "set-cookie",
    "keep-alive",
    "origin",
];

/// What the dictionary ends with.
const TAIL: &str = "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505203 \
Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized403 Forbidden404 Not \
Found500 Internal Server Error501 Not Implemented503 Service UnavailableJan Feb Mar Apr May Jun Jul Aug Sept Oct Nov \
Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMTchunked,text/html,image/png,image/jpg,image/gif,application/xml,\
application/xhtml+xml,text/plain,text/javascript,publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=\
iso-8859-1,utf-,*,enq=0.";

/// The checksum by which a stream names this dictionary.
const DICTIONARY_ID: u32 = 0xe3c6_a7c2;

/// What a block may unpack to; the streams of Kubernetes have a handful of short headers.
const MAX_BLOCK_BYTES: usize = 16 << 10;

/// Headers by their names in lower case.
pub(in crate::http) type Headers = BTreeMap<String, String>;

fn dictionary() -> Vec<u8> {
    let mut all = Vec::with_capacity(1423);
    for word in WORDS {
        all.extend_from_slice(&(word.len() as u32).to_be_bytes());
        all.extend_from_slice(word.as_bytes());
    }
    all.extend_from_slice(TAIL.as_bytes());
    all
}

/// Unpacks the blocks of one direction, in order.
#[derive(Default)]
pub(super) struct HeaderReader(Option<Decompress>);

impl HeaderReader {
    /// Reads the next block.
    pub(super) fn read(&mut self, block: &[u8]) -> Result<Headers, Broken> {
        let (inflate, rest) = match &mut self.0 {
            Some(inflate) => (inflate, block),
            none => {
                let (inflate, rest) = open(block)?;
                (none.insert(inflate), rest)
            }
        };
        parse(&unpack(inflate, rest)?)
    }
}

/// Reads what a zlib stream begins with, and readies the decompressor for what follows.
fn open(block: &[u8]) -> Result<(Decompress, &[u8]), Broken> {
    let ([method, flags], mut rest) = block.split_first_chunk::<2>().ok_or(Broken)?;
    let is_zlib = method & 0x0f == 8 && u16::from_be_bytes([*method, *flags]) % 31 == 0;
    if !is_zlib {
        return Err(Broken);
    }
    let mut inflate = Decompress::new(false);
    if flags & 0x20 != 0 {
        let (id, after) = rest.split_first_chunk::<4>().ok_or(Broken)?;
        if u32::from_be_bytes(*id) != DICTIONARY_ID {
            return Err(Broken);
        }
        rest = after;
        // To the decompressor a dictionary is what it has unpacked before: here, from a block that was not compressed.
        let words = dictionary();
        let length = (words.len() as u16).to_le_bytes();
        let mut stored = vec![0, length[0], length[1], !length[0], !length[1]];
        stored.extend_from_slice(&words);
        unpack(&mut inflate, &stored)?;
    }
    Ok((inflate, rest))
}

fn unpack(inflate: &mut Decompress, block: &[u8]) -> Result<Vec<u8>, Broken> {
    let mut out = vec![0; MAX_BLOCK_BYTES];
    let (read_before, written_before) = (inflate.total_in(), inflate.total_out());
    loop {
        let read = (inflate.total_in() - read_before) as usize;
        let written = (inflate.total_out() - written_before) as usize;
        if written == out.len() {
            return Err(Broken);
        }
        let status = inflate.decompress(&block[read..], &mut out[written..], FlushDecompress::Sync);
        let moved = (inflate.total_in() - read_before) as usize > read
            || (inflate.total_out() - written_before) as usize > written;
        match status {
            Ok(Status::Ok | Status::BufError) if moved => {}
            Ok(Status::Ok | Status::BufError) => {
                if read < block.len() {
                    return Err(Broken);
                }
                out.truncate(written);
                return Ok(out);
            }
            // The stream lasts as long as the connection.
            Ok(Status::StreamEnd) | Err(_) => return Err(Broken),
        }
    }
}

fn parse(block: &[u8]) -> Result<Headers, Broken> {
    fn number(rest: &mut &[u8]) -> Result<usize, Broken> {
        let (head, tail) = rest.split_first_chunk::<4>().ok_or(Broken)?;
        *rest = tail;
        Ok(u32::from_be_bytes(*head) as usize)
    }
    fn text(rest: &mut &[u8]) -> Result<String, Broken> {
        let length = number(rest)?;
        let (head, tail) = rest.split_at_checked(length).ok_or(Broken)?;
        *rest = tail;
        Ok(String::from_utf8_lossy(head).into_owned())
    }
    let mut rest = block;
    let count = number(&mut rest)?;
    let mut headers = Headers::new();
    for _ in 0..count {
        let (name, value) = (text(&mut rest)?, text(&mut rest)?);
        if name.is_empty() || name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(Broken);
        }
        // Several values are parted by a zero; the first is the one that counts.
        let value = value.split('\0').next().unwrap_or_default().to_owned();
        if headers.insert(name, value).is_some() {
            return Err(Broken);
        }
    }
    if rest.is_empty() { Ok(headers) } else { Err(Broken) }
}

/// Packs a block without headers, which is all that this side has to say; `is_first` begins the zlib stream.
pub(super) fn empty_block(is_first: bool) -> Vec<u8> {
    let mut block = if is_first { vec![0x78, 0x01] } else { Vec::new() };
    // The number of headers in a block that is not compressed, then an empty one, which has readers take in the first.
    block.extend_from_slice(&[0, 4, 0, 0xfb, 0xff, 0, 0, 0, 0]);
    block.extend_from_slice(&[0, 0, 0, 0xff, 0xff]);
    block
}

#[cfg(test)]
mod tests {
    use flate2::{Compress, Compression, FlushCompress};

    use super::*;

    fn block(headers: &[(&str, &str)]) -> Vec<u8> {
        let mut out = (headers.len() as u32).to_be_bytes().to_vec();
        for text in headers.iter().flat_map(|(name, value)| [name, value]) {
            out.extend_from_slice(&(text.len() as u32).to_be_bytes());
            out.extend_from_slice(text.as_bytes());
        }
        out
    }

    fn pack(packer: &mut Compress, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(4096);
        packer.compress_vec(bytes, &mut out, FlushCompress::Sync).expect("memory takes it");
        out
    }

    #[test]
    fn the_dictionary_is_the_one_all_others_have() {
        let words = dictionary();
        let (mut low, mut high) = (1_u32, 0_u32);
        for byte in &words {
            low = (low + u32::from(*byte)) % 65521;
            high = (high + low) % 65521;
        }
        assert_eq!((words.len(), high << 16 | low), (1423, DICTIONARY_ID));
    }

    #[test]
    fn blocks_of_one_stream_are_read_one_after_the_other() {
        let mut packer = Compress::new(Compression::best(), true);
        let mut reader = HeaderReader::default();
        for number in 0..3 {
            let number = number.to_string();
            let sent = pack(&mut packer, &block(&[("port", "80"), ("requestid", &number), ("streamtype", "data\0x")]));
            let headers = reader.read(&sent).expect("it is well-formed");
            assert_eq!((headers["requestid"].as_str(), headers["streamtype"].as_str()), (number.as_str(), "data"));
        }
        let own = [empty_block(true), empty_block(false)];
        let mut reader = HeaderReader::default();
        for sent in own {
            assert_eq!(reader.read(&sent), Ok(Headers::new()));
        }
    }

    /// What Go's `compress/zlib` makes of `streamtype: error` with the dictionary.
    #[test]
    fn a_stream_may_begin_with_the_dictionary() {
        let mut sent = vec![0x78, 0xf9];
        sent.extend_from_slice(&DICTIONARY_ID.to_be_bytes());
        let mut raw = Compress::new(Compression::best(), false);
        sent.extend(pack(&mut raw, &block(&[("streamtype", "error")])));
        assert_eq!(HeaderReader::default().read(&sent).expect("it is well-formed")["streamtype"], "error");
        sent[2] ^= 1;
        assert_eq!(HeaderReader::default().read(&sent), Err(Broken));
    }

    #[test]
    fn what_unpacks_to_too_much_is_refused() {
        let mut packer = Compress::new(Compression::best(), true);
        let long = "x".repeat(MAX_BLOCK_BYTES);
        let sent = pack(&mut packer, &block(&[("streamtype", &long)]));
        assert!(sent.len() < 1000);
        assert_eq!(HeaderReader::default().read(&sent), Err(Broken));
        for bad in [&b""[..], b"\x78", b"\x78\x01", b"GET / HTTP/1.1", &[0x78, 0x01, 0x03, 0x00]] {
            assert_eq!(HeaderReader::default().read(bad), Err(Broken), "{bad:?}");
        }
        for twice in [block(&[("a", "1"), ("a", "2")]), block(&[("A", "1")]), vec![0xff; 4]] {
            let sent = pack(&mut Compress::new(Compression::best(), true), &twice);
            assert_eq!(HeaderReader::default().read(&sent), Err(Broken));
        }
    }
}
