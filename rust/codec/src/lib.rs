//! Redis replies to Position to PostgreSQL COPY rows in one pass, and Teltonika AVL frames.
#![forbid(unsafe_code)]

pub mod avl;
