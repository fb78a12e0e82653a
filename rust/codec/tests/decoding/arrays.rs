//! A batch as an array for each column: the same rows as in its COPY stream, field by field.

use codec::batch::{Batch, COLUMNS};
use proptest::prelude::*;

use crate::array_reader::{TEXT_OID, TIMESTAMPTZ_OID, read_array};
use crate::batches::{batch, records};

/// `double precision`, `real`, `smallint` and `jsonb` in PostgreSQL's catalogue.
const FLOAT8_OID: i32 = 701;
const FLOAT4_OID: i32 = 700;
const INT2_OID: i32 = 21;
const JSONB_OID: i32 = 3802;

fn element_oid(column: &str) -> i32 {
    match column {
        "device_id" | "codec" => TEXT_OID,
        "ts" => TIMESTAMPTZ_OID,
        "latitude" | "longitude" => FLOAT8_OID,
        "altitude" | "angle" | "speed" => FLOAT4_OID,
        "satellites" | "priority" => INT2_OID,
        "attributes" => JSONB_OID,
        other => panic!("no column {other}"),
    }
}

/// The COPY stream of rows whose columns are these arrays.
fn stream_of(arrays: &[Vec<u8>], rows: usize) -> Vec<u8> {
    let columns: Vec<_> =
        COLUMNS.iter().zip(arrays).map(|(column, array)| read_array(array, element_oid(column))).collect();
    assert!(columns.iter().all(|column| column.len() == rows));
    let mut stream = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0".to_vec();
    for row in 0..rows {
        stream.extend_from_slice(&11i16.to_be_bytes());
        for column in &columns {
            stream.extend_from_slice(&i32::try_from(column[row].len()).unwrap().to_be_bytes());
            stream.extend_from_slice(&column[row]);
        }
    }
    stream.extend_from_slice(&(-1i16).to_be_bytes());
    stream
}

fn copied(batch: &Batch) -> Vec<u8> {
    let mut stream = Vec::new();
    batch.copy_chunks().next_chunk(usize::MAX, &mut stream);
    stream
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn arrays_hold_the_rows_of_the_copy_stream(records in records()) {
        let batch = batch(&records);
        prop_assert_eq!(stream_of(&batch.insert_arrays(), batch.rows()), copied(&batch));
    }
}
