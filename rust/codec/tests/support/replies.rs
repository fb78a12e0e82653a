//! Redis replies on the wire: XREADGROUP and XCLAIM in RESP2 and RESP3, and what a parser makes of them.

use codec::StreamId;
use codec::position::Limits;
use codec::resp::{Delivered, Delivery, Expect, Parser, ProtocolError};

use super::samples::NOW_MS;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Resp2,
    Resp3,
}

pub(crate) const PROTOCOLS: [Protocol; 2] = [Protocol::Resp2, Protocol::Resp3];

/// A stream entry; without fields it was deleted from the stream and is still pending.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub id: StreamId,
    pub fields: Option<Vec<(Vec<u8>, Vec<u8>)>>,
}

impl Entry {
    pub(crate) fn new(id: StreamId, fields: &[(&str, &[u8])]) -> Self {
        let fields = fields.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.to_vec())).collect();
        Self { id, fields: Some(fields) }
    }

    /// An entry as tcp-ingestion adds it.
    pub(crate) fn common(seq: u64, payload: &[u8]) -> Self {
        Self::new(
            StreamId { ms: NOW_MS, seq },
            &[
                ("ts", b"2026-05-01T09:30:00.000Z"),
                ("device_id", b"356307042441013"),
                ("codec", b"8E"),
                ("payload", payload),
            ],
        )
    }
}

pub(crate) fn bulk(text: &[u8]) -> Vec<u8> {
    [format!("${}\r\n", text.len()).as_bytes(), text, b"\r\n"].concat()
}

pub(crate) fn id_bulk(id: StreamId) -> Vec<u8> {
    bulk(id.to_string().as_bytes())
}

fn null(protocol: Protocol) -> Vec<u8> {
    match protocol {
        Protocol::Resp2 => b"*-1\r\n".to_vec(),
        Protocol::Resp3 => b"_\r\n".to_vec(),
    }
}

fn entry(protocol: Protocol, entry: &Entry) -> Vec<u8> {
    let mut wire = [b"*2\r\n".to_vec(), id_bulk(entry.id)].concat();
    let Some(fields) = &entry.fields else {
        return [wire, null(protocol)].concat();
    };
    wire.extend(format!("*{}\r\n", fields.len() * 2).as_bytes());
    for (name, value) in fields {
        wire.extend(bulk(name));
        wire.extend(bulk(value));
    }
    wire
}

fn entries_array(protocol: Protocol, entries: &[Entry]) -> Vec<u8> {
    let mut wire = format!("*{}\r\n", entries.len()).into_bytes();
    wire.extend(entries.iter().flat_map(|one| entry(protocol, one)));
    wire
}

/// XREADGROUP's answer.
pub(crate) fn read_reply(protocol: Protocol, entries: &[Entry]) -> Vec<u8> {
    let head: &[u8] = match protocol {
        Protocol::Resp2 => b"*1\r\n*2\r\n",
        Protocol::Resp3 => b"%1\r\n",
    };
    [head.to_vec(), bulk(b"telemetry:teltonika"), entries_array(protocol, entries)].concat()
}

/// XCLAIM's answer.
pub(crate) fn claim_reply(protocol: Protocol, entries: &[Entry]) -> Vec<u8> {
    entries_array(protocol, entries)
}

/// The delivery in `wire`, which must be whole and nothing else.
pub(crate) fn delivery(expect: Expect, wire: &[u8]) -> Delivery {
    delivery_under(Limits::default(), expect, wire)
}

pub(crate) fn delivery_under(limits: Limits, expect: Expect, wire: &[u8]) -> Delivery {
    let mut parser = Parser::new(limits);
    parser.feed(wire);
    let delivered = parser.next_delivery(expect).unwrap();
    assert_eq!(parser.buffered_bytes(), 0);
    let Some(Delivered::Delivery(delivery)) = delivered else { panic!("{delivered:?}") };
    delivery
}

/// What of a delivery can be compared: its COPY rows, ids in row order, and the rest.
pub(crate) fn comparable(delivery: &Delivery) -> impl PartialEq + std::fmt::Debug + use<> {
    (
        super::samples::rows_of(&delivery.batch),
        delivery.batch.ids().collect::<Vec<_>>(),
        delivery.rejections.clone(),
        delivery.missing.clone(),
        (delivery.entries, delivery.outside.len(), delivery.span),
    )
}

/// The outcomes of a stream of bytes fed in `pieces`: every reply as text, and the error that ended it, if any.
///
/// Replies are taken as `expect` says, or as plain values without it.
pub(crate) fn outcomes<'a>(
    expect: Option<Expect>,
    limits: Limits,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<String>, Option<ProtocolError>) {
    let mut parser = Parser::new(limits);
    let mut replies = Vec::new();
    for piece in pieces {
        parser.feed(piece);
        loop {
            match next(&mut parser, expect) {
                Ok(Some(reply)) => replies.push(reply),
                Ok(None) => break,
                Err(error) => return (replies, Some(error)),
            }
        }
    }
    (replies, None)
}

fn next(parser: &mut Parser, expect: Option<Expect>) -> Result<Option<String>, ProtocolError> {
    let Some(expect) = expect else {
        return Ok(parser.next_value()?.map(|value| format!("{value:?}")));
    };
    Ok(parser.next_delivery(expect)?.map(|delivered| match delivered {
        Delivered::Error(error) => format!("{error:?}"),
        Delivered::Delivery(delivery) => format!("{:?}", comparable(&delivery)),
    }))
}
