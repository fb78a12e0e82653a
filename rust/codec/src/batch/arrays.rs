//! The rows of a batch as one array a column: the parameters of one INSERT, in PostgreSQL's binary format.
//!
//! Format: PostgreSQL, `array_recv` in `src/backend/utils/adt/arrayfuncs.c`: the number of dimensions, flags and the
//! elements' type; for each dimension its length and lower bound; then each element behind its length. All are 32 bits
//! wide, in network order. A field of a COPY row stands behind its length, too, so it is an element as it is.

use super::Batch;
use super::record::Record;
use super::row::{self, COLUMNS};

/// `text`, `timestamptz`, `double precision`, `real`, `smallint` and `jsonb` in `src/include/catalog/pg_type.dat`.
pub(super) const TEXT_OID: u32 = 25;
pub(super) const TIMESTAMPTZ_OID: u32 = 1184;
const FLOAT8_OID: u32 = 701;
const FLOAT4_OID: u32 = 700;
const INT2_OID: u32 = 21;
const JSONB_OID: u32 = 3802;

/// The types of [`COLUMNS`].
const COLUMN_OIDS: [u32; COLUMNS.len()] = [
    TEXT_OID,
    TIMESTAMPTZ_OID,
    FLOAT8_OID,
    FLOAT8_OID,
    FLOAT4_OID,
    FLOAT4_OID,
    FLOAT4_OID,
    INT2_OID,
    INT2_OID,
    TEXT_OID,
    JSONB_OID,
];

/// The header of an array of one dimension.
const HEADER_BYTES: usize = 20;

impl Batch {
    /// The rows in key order as one binary array for each of [`COLUMNS`].
    #[must_use]
    pub fn insert_arrays(&self) -> [Vec<u8>; COLUMNS.len()] {
        let mut arrays = COLUMN_OIDS.map(|element_oid| {
            let mut out = Vec::new();
            header(element_oid, self.rows(), &mut out);
            out
        });
        for (_, record) in self.rows_from(0) {
            self.push_row(record, &mut arrays);
        }
        arrays
    }

    fn push_row(&self, record: &Record, arrays: &mut [Vec<u8>]) {
        let fields = row::View::new(self.row_of(record)).fields();
        for (array, field) in arrays.iter_mut().zip(fields) {
            array.extend_from_slice(field);
        }
    }
}

/// A binary array of one dimension, or of none if it is empty; each of its `elements` stands behind its length.
pub(super) fn array(element_oid: u32, length: usize, elements: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER_BYTES.saturating_add(elements.len()));
    header(element_oid, length, &mut out);
    out.extend_from_slice(elements);
    out
}

fn header(element_oid: u32, length: usize, out: &mut Vec<u8>) {
    let no_nulls = [0; 4];
    let dimensions = u32::from(length > 0);
    for part in [dimensions.to_be_bytes(), no_nulls, element_oid.to_be_bytes()] {
        out.extend_from_slice(&part);
    }
    if length > 0 {
        let lower_bound = 1u32;
        out.extend_from_slice(&row::length(length));
        out.extend_from_slice(&lower_bound.to_be_bytes());
    }
}
