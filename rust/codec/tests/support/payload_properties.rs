//! Properties of Position decoding as plain functions of bytes, with `serde_json` as the second opinion; each panics
//! where it does not hold.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use codec::position::{Code, Limits, Reject};
use serde::de::IgnoredAny;
use serde_json::Value;

use super::samples::{build_under, decode, decode_under};

const LIMITS: Limits = Limits { payload_bytes_max: 4096, past_days_max: 3650, future_seconds_max: 86_400 };

/// Any bytes are a Position that COPY and its reader give back, or a refusal that points into them; and the same one
/// when they are written as they are read.
pub(crate) fn any_payload_is_decoded_or_refused(payload: &[u8]) {
    let decoded = decode_under(&LIMITS, payload);
    assert_eq!(build_under(&LIMITS, payload), decoded);
    match decoded {
        Ok(_) => assert!(std::str::from_utf8(payload).is_ok(), "only UTF-8 is accepted"),
        Err(reject) => {
            assert!(reject.offset.is_none_or(|offset| offset <= payload.len()), "{reject}");
            assert_eq!(reject.code == Code::TooLarge, payload.len() > LIMITS.payload_bytes_max);
        }
    }
}

/// `bad_json` is what `serde_json` refuses, and nothing else. Depth has a limit of its own here; reading a value over,
/// `serde_json` has none, and does not mind lone surrogates.
pub(crate) fn bad_json_is_what_serde_json_refuses(payload: &[u8]) {
    let json = serde_json::from_slice::<IgnoredAny>(payload).is_ok() && std::str::from_utf8(payload).is_ok();
    match decode(payload).err().map(|reject| reject.code) {
        Some(Code::TooDeep | Code::TooLarge) => {}
        code => assert_eq!(code != Some(Code::BadJson), json, "{code:?}: {:?}", String::from_utf8_lossy(payload)),
    }
}

/// The stored attributes are those that `serde_json` reads from the payload, changed as the contract says.
pub(crate) fn stored_attributes_are_those_that_were_sent(payload: &[u8]) {
    // Lone surrogates are beyond serde_json's values: then there is nothing to compare with.
    let Ok(sent) = serde_json::from_slice::<Value>(payload) else { return };
    let Some(Value::Object(sent)) = sent.get("attributes") else { return };
    match decode(payload) {
        Ok(row) => {
            let stored: Value = serde_json::from_str(&row.attributes).expect("attributes are JSON");
            let stored = stored.as_object().expect("attributes are an object");
            assert_eq!(stored.len(), sent.len());
            for (key, value) in sent {
                assert_eq!(Some(&stored[key]), stored_form(value).ok().as_ref(), "{key}");
            }
            no_key_is_repeated(&row.attributes, stored.len());
        }
        Err(Reject { code, field: Some("attributes"), .. }) => {
            let expected: Vec<Code> = sent.iter().filter_map(|(_, value)| stored_form(value).err()).collect();
            let text = code == Code::UnstorableText && sent.keys().any(|key| key.contains('\0'));
            assert!(text || expected.contains(&code), "{code} but {expected:?}");
        }
        Err(_) => {}
    }
}

/// Reading into a map hides repeats: count the colons outside of strings instead.
fn no_key_is_repeated(json: &str, members: usize) {
    let unescaped = json.replace("\\\\", "").replace("\\\"", "");
    let outside: String = unescaped.split('"').step_by(2).collect();
    assert_eq!(outside.matches(':').count(), members, "{json}");
}

/// What the contract stores for one attribute value.
fn stored_form(value: &Value) -> Result<Value, Code> {
    match value {
        Value::Number(number) => {
            let text = plain_number(number.as_str());
            let digits = text.bytes().filter(u8::is_ascii_digit).count();
            if digits > 400 { Err(Code::OutOfRange) } else { Ok(serde_json::from_str(&text).unwrap()) }
        }
        Value::String(text) if text.contains('\0') => Err(Code::UnstorableText),
        Value::Array(_) => Err(Code::BadType),
        Value::Object(object) => sentinel_form(object).map(Value::String),
        _ => Ok(value.clone()),
    }
}

fn sentinel_form(object: &serde_json::Map<String, Value>) -> Result<String, Code> {
    let is_buffer = object.get("type") == Some(&Value::from("Buffer"));
    if !is_buffer && !object.contains_key("__bigint") && !object.contains_key("__buffer_b64") {
        return Err(Code::BadType);
    }
    let text = match (object.len(), object.get("__bigint"), object.get("__buffer_b64"), object.get("data")) {
        (1, Some(Value::String(text)), None, None) => Some(text.clone()).filter(|text| is_integer(text)),
        (1, None, Some(Value::String(text)), None) => Some(text.clone()).filter(|text| is_base64(text)),
        (2, None, None, Some(Value::Array(data))) => byte_array(data).map(|bytes| STANDARD.encode(bytes)),
        _ => None,
    };
    text.ok_or(Code::BadSentinel)
}

fn is_integer(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty() && digits.chars().all(|digit| digit.is_ascii_digit())
}

/// Bits behind the last whole byte do not matter here: it is the alphabet and the padding that the contract names.
fn is_base64(text: &str) -> bool {
    use base64::alphabet;
    use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
    let config = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical)
        .with_decode_allow_trailing_bits(true);
    GeneralPurpose::new(&alphabet::STANDARD, config).decode(text).is_ok()
}

fn byte_array(data: &[Value]) -> Option<Vec<u8>> {
    let byte = |value: &Value| match value {
        Value::Number(number) if number.as_str() == "-0" => Some(0),
        Value::Number(number) => number.as_str().parse().ok(),
        _ => None,
    };
    data.iter().map(byte).collect()
}

/// A JSON number without exponent, by moving its point one place at a time.
fn plain_number(text: &str) -> String {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
    let (mut integer, mut fraction) = mantissa.split_once('.').map_or_else(
        || (mantissa.to_owned(), String::new()),
        |(integer, fraction)| (integer.to_owned(), fraction.to_owned()),
    );
    let zero = mantissa.chars().all(|digit| matches!(digit, '0' | '.'));
    // Beyond this many places the number is too long in any case, unless it is a zero, which does not grow to the left.
    let places = exponent.parse::<f64>().unwrap().clamp(-6000.0, 6000.0);
    let mut left = places;
    while left > 0.0 {
        integer.push(if fraction.is_empty() { '0' } else { fraction.remove(0) });
        left -= 1.0;
    }
    while left < 0.0 {
        fraction.insert(0, integer.pop().unwrap_or('0'));
        left += 1.0;
    }
    let integer = if zero { "0" } else { integer.trim_start_matches('0') };
    let integer = if integer.is_empty() { "0" } else { integer };
    if fraction.is_empty() { format!("{sign}{integer}") } else { format!("{sign}{integer}.{fraction}") }
}
