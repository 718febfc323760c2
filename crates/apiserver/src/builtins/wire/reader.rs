//! The wire format of protobuf, read with the checks and the words of the Go code that upstream generates.

/// How a field is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wire {
    Varint,
    Fixed64,
    Bytes,
    StartGroup,
    Fixed32,
    /// A number that means nothing; only skipping says so.
    Unknown(u8),
}

impl Wire {
    fn of(number: u8) -> Self {
        match number {
            0 => Self::Varint,
            1 => Self::Fixed64,
            2 => Self::Bytes,
            3 => Self::StartGroup,
            5 => Self::Fixed32,
            other => Self::Unknown(other),
        }
    }

    pub(super) fn number(self) -> u8 {
        match self {
            Self::Varint => 0,
            Self::Fixed64 => 1,
            Self::Bytes => 2,
            Self::StartGroup => 3,
            Self::Fixed32 => 5,
            Self::Unknown(other) => other,
        }
    }
}

/// What is wrong with a message; the words are those of Go's decoder.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// It ends too early.
    #[error("unexpected EOF")]
    Eof,
    /// A number has more than 64 bits.
    #[error("proto: integer overflow")]
    Overflow,
    /// A length is negative.
    #[error("proto: negative length found during unmarshaling")]
    NegativeLength,
    /// A group ends that never began.
    #[error("proto: {0}: wiretype end group for non-group")]
    EndGroup(String),
    /// A group that is skipped ends too often.
    #[error("proto: unexpected end of group")]
    UnexpectedEndGroup,
    /// A field has a number that no field can have.
    #[error("proto: {message}: illegal tag {number} (wire type {tag})")]
    IllegalTag {
        /// The Go name of the message.
        message: String,
        /// The field's number.
        number: i32,
        /// The whole tag.
        tag: u64,
    },
    /// A field that is skipped has a wire type that does not exist.
    #[error("proto: illegal wireType {0}")]
    IllegalWire(u8),
    /// A field has another wire type than its type is written with.
    #[error("proto: wrong wireType = {wire} for field {field}")]
    WrongWire {
        /// The wire type.
        wire: u8,
        /// The Go name of the field.
        field: String,
    },
    /// JSON inside the message is malformed, or a text does not have the form its type needs.
    #[error("{0}")]
    BadText(String),
    /// Messages lie in each other deeper than any object of use.
    #[error("exceeded max depth")]
    TooDeep,
}

/// One message being read.
pub(super) struct Reader<'a> {
    data: &'a [u8],
    at: usize,
    message: &'a str,
}

impl<'a> Reader<'a> {
    pub(super) fn new(data: &'a [u8], message: &'a str) -> Self {
        Self { data, at: 0, message }
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.at >= self.data.len()
    }

    /// Reads the number and the wire type of the next field; `None` at the end.
    pub(super) fn tag(&mut self) -> Result<Option<(u32, Wire)>, WireError> {
        if self.at >= self.data.len() {
            return Ok(None);
        }
        let tag = self.varint()?;
        // Go keeps the lower 32 bits of the number.
        let number = (tag >> 3) as u32 as i32;
        let wire = (tag & 7) as u8;
        if wire == 4 {
            return Err(WireError::EndGroup(self.message.to_owned()));
        }
        match u32::try_from(number) {
            Ok(positive) if positive > 0 => Ok(Some((positive, Wire::of(wire)))),
            _ => Err(WireError::IllegalTag { message: self.message.to_owned(), number, tag }),
        }
    }

    pub(super) fn varint(&mut self) -> Result<u64, WireError> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = *self.data.get(self.at).ok_or(WireError::Eof)?;
            self.at += 1;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(WireError::Overflow)
    }

    pub(super) fn number(&mut self, wire: Wire, field: &str) -> Result<u64, WireError> {
        expect(wire, Wire::Varint, field)?;
        self.varint()
    }

    pub(super) fn double(&mut self, wire: Wire, field: &str) -> Result<f64, WireError> {
        expect(wire, Wire::Fixed64, field)?;
        let bytes = self.take(8)?;
        Ok(f64::from_le_bytes(bytes.try_into().expect("holds because eight bytes were taken")))
    }

    pub(super) fn bytes(&mut self, wire: Wire, field: &str) -> Result<&'a [u8], WireError> {
        expect(wire, Wire::Bytes, field)?;
        let length = self.length()?;
        self.take(length)
    }

    /// Reads a text; what is no UTF-8 is replaced, as Go's JSON encoder does.
    pub(super) fn text(&mut self, wire: Wire, field: &str) -> Result<String, WireError> {
        Ok(String::from_utf8_lossy(self.bytes(wire, field)?).into_owned())
    }

    fn length(&mut self) -> Result<usize, WireError> {
        let length = i64::try_from(self.varint()?).map_err(|_| WireError::NegativeLength)?;
        usize::try_from(length).map_err(|_| WireError::NegativeLength)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], WireError> {
        let end = self.at.checked_add(length).filter(|end| isize::try_from(*end).is_ok());
        let end = end.ok_or(WireError::NegativeLength)?;
        let taken = self.data.get(self.at..end).ok_or(WireError::Eof)?;
        self.at = end;
        Ok(taken)
    }

    /// Passes over a field nobody knows, of which the tag has been read.
    pub(super) fn skip(&mut self, wire: Wire) -> Result<(), WireError> {
        let mut depth = 0_u32;
        let mut wire = wire.number();
        loop {
            match wire {
                0 => drop(self.varint()?),
                1 => drop(self.take(8)?),
                2 => {
                    let length = self.length()?;
                    self.take(length)?;
                }
                3 => depth += 1,
                4 => depth = depth.checked_sub(1).ok_or(WireError::UnexpectedEndGroup)?,
                5 => drop(self.take(4)?),
                other => return Err(WireError::IllegalWire(other)),
            }
            if depth == 0 {
                return Ok(());
            }
            if self.at >= self.data.len() {
                return Err(WireError::Eof);
            }
            wire = (self.varint()? & 7) as u8;
        }
    }
}

fn expect(wire: Wire, want: Wire, field: &str) -> Result<(), WireError> {
    if wire == want { Ok(()) } else { Err(WireError::WrongWire { wire: wire.number(), field: field.to_owned() }) }
}
