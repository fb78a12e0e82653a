//! A reader of PostgreSQL's binary COPY format, written from its documentation alone, to look at rows as the server would.

const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";
/// Microseconds from 1970-01-01 to 2000-01-01, where PostgreSQL counts from.
const POSTGRES_EPOCH_US: i64 = 946_684_800_000_000;

/// One row, with its values as the columns hold them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    pub device_id: String,
    pub ts_us: i64,
    pub latitude: f64,
    pub longitude: f64,
    pub altitude: f32,
    pub angle: f32,
    pub speed: f32,
    pub satellites: i16,
    pub priority: i16,
    pub codec: String,
    pub attributes: String,
}

/// The rows of a whole stream; panics on anything that PostgreSQL would refuse.
pub(crate) fn read_rows(stream: &[u8]) -> Vec<Row> {
    let mut reader = Reader { rest: stream };
    assert_eq!(reader.take(SIGNATURE.len()), SIGNATURE);
    assert_eq!(reader.int32(), 0, "flags");
    assert_eq!(reader.int32(), 0, "length of the header extension");
    let mut rows = Vec::new();
    loop {
        match reader.int16() {
            -1 => break,
            fields => assert_eq!(fields, 11, "fields in a row"),
        }
        rows.push(reader.row());
    }
    assert_eq!(reader.rest, b"", "bytes behind the trailer");
    rows
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest;
        taken
    }

    fn int32(&mut self) -> i32 {
        i32::from_be_bytes(self.take(4).try_into().unwrap())
    }

    fn int16(&mut self) -> i16 {
        i16::from_be_bytes(self.take(2).try_into().unwrap())
    }

    fn field(&mut self) -> &'a [u8] {
        let length = self.int32();
        self.take(usize::try_from(length).expect("no column of this table is null"))
    }

    fn fixed<const N: usize>(&mut self) -> [u8; N] {
        self.field().try_into().expect("the column's width")
    }

    fn text(&mut self) -> String {
        String::from_utf8(self.field().to_vec()).expect("UTF-8")
    }

    fn jsonb(&mut self) -> String {
        let (version, json) = self.field().split_first().expect("a version byte");
        assert_eq!(*version, 1, "jsonb version");
        String::from_utf8(json.to_vec()).expect("UTF-8")
    }

    fn row(&mut self) -> Row {
        Row {
            device_id: self.text(),
            ts_us: i64::from_be_bytes(self.fixed()) + POSTGRES_EPOCH_US,
            latitude: f64::from_be_bytes(self.fixed()),
            longitude: f64::from_be_bytes(self.fixed()),
            altitude: f32::from_be_bytes(self.fixed()),
            angle: f32::from_be_bytes(self.fixed()),
            speed: f32::from_be_bytes(self.fixed()),
            satellites: i16::from_be_bytes(self.fixed()),
            priority: i16::from_be_bytes(self.fixed()),
            codec: self.text(),
            attributes: self.jsonb(),
        }
    }
}
