//! Replies other than deliveries: every type of RESP2 and RESP3 (protocol specification at redis.io).

use codec::position::Limits;
use codec::resp::{Parser, ReplyError, Value};

fn parse(wire: &[u8]) -> Value {
    let mut parser = Parser::new(Limits::default());
    parser.feed(wire);
    let value = parser.next_value().unwrap().expect("a whole reply");
    assert_eq!(parser.buffered_bytes(), 0);
    value
}

fn bytes(text: &str) -> Value {
    Value::Bytes(text.as_bytes().to_vec())
}

fn error(code: &str, message: &str) -> Value {
    Value::Error(ReplyError { code: code.to_owned(), message: message.to_owned() })
}

#[test]
fn every_type_has_its_value() {
    for (wire, value) in [
        ("+OK\r\n", bytes("OK")),
        ("+\r\n", bytes("")),
        ("$5\r\nhello\r\n", bytes("hello")),
        ("$2\r\n\r\n\r\n", bytes("\r\n")),
        ("$0\r\n\r\n", bytes("")),
        ("$-1\r\n", Value::Null),
        ("*-1\r\n", Value::Null),
        ("_\r\n", Value::Null),
        (":0\r\n", Value::Integer(0)),
        (":+17\r\n", Value::Integer(17)),
        (":-9223372036854775808\r\n", Value::Integer(i64::MIN)),
        (":9223372036854775807\r\n", Value::Integer(i64::MAX)),
        (",1.5\r\n", Value::Double(1.5)),
        (",10\r\n", Value::Double(10.0)),
        (",-1e-3\r\n", Value::Double(-0.001)),
        (",inf\r\n", Value::Double(f64::INFINITY)),
        (",-inf\r\n", Value::Double(f64::NEG_INFINITY)),
        ("#t\r\n", Value::Boolean(true)),
        ("#f\r\n", Value::Boolean(false)),
        ("(3492890328409238509324850943850943825024385\r\n", bytes("3492890328409238509324850943850943825024385")),
        ("=15\r\ntxt:Some string\r\n", bytes("Some string")),
        ("-ERR unknown command\r\n", error("ERR", "ERR unknown command")),
        ("-LOADING\r\n", error("LOADING", "LOADING")),
        ("!21\r\nSYNTAX invalid syntax\r\n", error("SYNTAX", "SYNTAX invalid syntax")),
        ("*0\r\n", Value::Array(vec![])),
        ("*2\r\n:1\r\n*1\r\n$-1\r\n", Value::Array(vec![Value::Integer(1), Value::Array(vec![Value::Null])])),
        ("*1\r\n-ERR x\r\n", Value::Array(vec![error("ERR", "ERR x")])),
        ("~2\r\n+a\r\n+b\r\n", Value::Array(vec![bytes("a"), bytes("b")])),
        ("%1\r\n+first\r\n:1\r\n", Value::Map(vec![(bytes("first"), Value::Integer(1))])),
        ("%0\r\n", Value::Map(vec![])),
        ("|1\r\n+ttl\r\n:3600\r\n*1\r\n:2039123\r\n", Value::Array(vec![Value::Integer(2_039_123)])),
        (">2\r\n+invalidate\r\n_\r\n:7\r\n", Value::Integer(7)),
    ] {
        assert_eq!(parse(wire.as_bytes()), value, "{wire:?}");
    }
    assert!(matches!(parse(b",nan\r\n"), Value::Double(double) if double.is_nan()));
}

#[test]
fn what_is_no_reply_breaks_the_protocol() {
    let deep = "*1\r\n".repeat(33);
    let long = format!("+{}", "x".repeat(65_537));
    for wire in [
        "hello\r\n",
        "?1\r\n",
        ":x\r\n",
        ":\r\n",
        ": 1\r\n",
        ":9223372036854775808\r\n",
        "$x\r\n",
        "$-2\r\n",
        "$536870913\r\n",
        "$1\r\nxx\r\n",
        "*-2\r\n",
        "*1.5\r\n",
        "#x\r\n",
        ",x\r\n",
        "+a\rb\r\n",
        "*1\r\n?\r\n",
        &deep,
        &long,
    ] {
        let mut parser = Parser::new(Limits::default());
        parser.feed(wire.as_bytes());
        assert!(parser.next_value().is_err(), "{wire:?}");
    }
}

#[test]
fn a_count_that_a_peer_makes_up_reserves_nothing() {
    let mut parser = Parser::new(Limits::default());
    parser.feed(b"*536870912\r\n%536870912\r\n~536870912\r\n");
    assert!(parser.next_value().unwrap().is_none());
    assert_eq!(parser.buffered_bytes(), 36);
}

#[test]
fn nothing_is_given_out_before_it_is_whole() {
    let wire = b"*3\r\n$3\r\none\r\n%1\r\n+k\r\n,1.5\r\n|1\r\n+a\r\n:1\r\n!3\r\nE x\r\n";
    let mut parser = Parser::new(Limits::default());
    for byte in &wire[..wire.len() - 1] {
        parser.feed(&[*byte]);
        assert_eq!(parser.next_value(), Ok(None));
    }
    parser.feed(&wire[wire.len() - 1..]);
    assert!(parser.next_value().unwrap().is_some());
}
