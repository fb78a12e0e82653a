//! Teltonika AVL frames over TCP: bytes to records, records to the Position JSON of the stream.
