//! Frames of SPDY/3.1 as bytes.

/// The version that every control frame names.
const VERSION: u16 = 3;

/// The flag of a frame that is its sender's last on a stream.
pub(super) const FIN: u8 = 1;

/// Longest control frame that is read; data may be as long as they like, since they are passed on in pieces.
pub(super) const MAX_CONTROL_BYTES: usize = 16 << 10;

/// Why a stream was reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum Reset {
    InvalidStream = 2,
    Refused = 3,
    Cancel = 5,
}

/// How a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum Farewell {
    Ok = 0,
    ProtocolError = 1,
}

/// What a frame's first eight bytes tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Head {
    Control { kind: u16, flags: u8, length: usize },
    Data { stream: u32, flags: u8, length: usize },
}

impl Head {
    /// Reads the first bytes of a frame; `None` when they are of another version.
    pub(super) fn read(bytes: [u8; 8]) -> Option<Self> {
        let [a, b, c, d, flags, high, middle, low] = bytes;
        let length = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
        if a & 0x80 == 0 {
            return Some(Self::Data { stream: u32::from_be_bytes([a, b, c, d]), flags, length });
        }
        (u16::from_be_bytes([a & 0x7f, b]) == VERSION).then_some(Self::Control {
            kind: u16::from_be_bytes([c, d]),
            flags,
            length,
        })
    }
}

pub(super) const SYN_STREAM: u16 = 1;
pub(super) const SYN_REPLY: u16 = 2;
pub(super) const RST_STREAM: u16 = 3;
pub(super) const SETTINGS: u16 = 4;
pub(super) const PING: u16 = 6;
pub(super) const GOAWAY: u16 = 7;
pub(super) const HEADERS: u16 = 8;
pub(super) const WINDOW_UPDATE: u16 = 9;

/// A frame a client sends about the connection or a stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Control<'a> {
    /// A stream begins; its headers are packed.
    Open {
        stream: u32,
        is_last: bool,
        headers: &'a [u8],
    },
    /// More headers, of which only the compressor's state matters here.
    Headers {
        headers: &'a [u8],
    },
    Reset {
        stream: u32,
    },
    Ping {
        id: u32,
    },
    GoAway,
    /// Settings, windows, and what a later version may bring.
    Other,
}

impl<'a> Control<'a> {
    /// Reads a control frame's payload; `None` when it is not what its kind has.
    pub(super) fn read(kind: u16, flags: u8, payload: &'a [u8]) -> Option<Self> {
        let number = |at: usize| {
            let bytes = payload.get(at..at + 4)?.try_into().ok()?;
            Some(u32::from_be_bytes(bytes) & 0x7fff_ffff)
        };
        let stream = |at: usize| number(at).filter(|stream| *stream != 0);
        Some(match kind {
            SYN_STREAM => Self::Open { stream: stream(0)?, is_last: flags & FIN != 0, headers: payload.get(10..)? },
            SYN_REPLY | HEADERS => {
                stream(0)?;
                Self::Headers { headers: payload.get(4..)? }
            }
            RST_STREAM if payload.len() == 8 => Self::Reset { stream: stream(0)? },
            PING if payload.len() == 4 && flags == 0 => Self::Ping { id: u32::from_be_bytes(payload.try_into().ok()?) },
            GOAWAY if payload.len() == 8 => Self::GoAway,
            SETTINGS if number(0)? as usize == (payload.len() - 4) / 8 && payload.len() % 8 == 4 => Self::Other,
            WINDOW_UPDATE if payload.len() == 8 => Self::Other,
            RST_STREAM | SETTINGS | PING | GOAWAY | WINDOW_UPDATE => return None,
            _ => Self::Other,
        })
    }
}

fn control(kind: u16, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(8 + payload.len());
    out.extend_from_slice(&(0x8000 | VERSION).to_be_bytes());
    out.extend_from_slice(&kind.to_be_bytes());
    out.extend_from_slice(&(payload.len() as u32 & 0x00ff_ffff).to_be_bytes());
    out.extend_from_slice(payload);
    out
}

fn pair(kind: u16, first: u32, second: u32) -> Vec<u8> {
    control(kind, &[first.to_be_bytes(), second.to_be_bytes()].concat())
}

pub(super) fn syn_reply(stream: u32, headers: &[u8]) -> Vec<u8> {
    control(SYN_REPLY, &[&stream.to_be_bytes()[..], headers].concat())
}

pub(super) fn rst_stream(stream: u32, why: Reset) -> Vec<u8> {
    pair(RST_STREAM, stream, why as u32)
}

pub(super) fn ping(id: u32) -> Vec<u8> {
    control(PING, &id.to_be_bytes())
}

pub(super) fn go_away(last: u32, why: Farewell) -> Vec<u8> {
    pair(GOAWAY, last, why as u32)
}

pub(super) fn window_update(stream: u32, by: u32) -> Vec<u8> {
    pair(WINDOW_UPDATE, stream, by)
}

/// Packs data; more than a frame takes must come in pieces.
pub(super) fn data(stream: u32, is_last: bool, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(8 + bytes.len());
    out.extend_from_slice(&stream.to_be_bytes());
    let flags = if is_last { u32::from(FIN) << 24 } else { 0 };
    out.extend_from_slice(&(flags | bytes.len() as u32 & 0x00ff_ffff).to_be_bytes());
    out.extend_from_slice(bytes);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_read_as_they_are_written() {
        let frame = data(5, true, b"abc");
        let head = Head::read(frame[..8].try_into().expect("eight bytes"));
        assert_eq!(head, Some(Head::Data { stream: 5, flags: FIN, length: 3 }));
        let frame = rst_stream(7, Reset::Cancel);
        let head = Head::read(frame[..8].try_into().expect("eight bytes"));
        assert_eq!(head, Some(Head::Control { kind: RST_STREAM, flags: 0, length: 8 }));
        assert_eq!(Control::read(RST_STREAM, 0, &frame[8..]), Some(Control::Reset { stream: 7 }));
        assert_eq!(Control::read(PING, 0, &ping(9)[8..]), Some(Control::Ping { id: 9 }));
        assert_eq!(Control::read(GOAWAY, 0, &go_away(1, Farewell::Ok)[8..]), Some(Control::GoAway));
        assert_eq!(Control::read(WINDOW_UPDATE, 0, &window_update(1, 8)[8..]), Some(Control::Other));
    }

    #[test]
    fn what_is_no_frame_is_told() {
        assert_eq!(Head::read([0x80, 2, 0, 1, 0, 0, 0, 0]), None);
        let rows: [(u16, &[u8]); 6] = [
            (SYN_STREAM, &[0, 0, 0, 1]),
            (SYN_STREAM, &[0; 12]),
            (RST_STREAM, &[0; 8]),
            (PING, &[0; 5]),
            (SETTINGS, &[0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0]),
            (SETTINGS, &[]),
        ];
        for (kind, payload) in rows {
            assert_eq!(Control::read(kind, 0, payload), None, "{kind} {payload:?}");
        }
    }
}
