//! What the integration tests and the fuzz targets share: an AVL encoder and the bodies of the properties.

#![allow(dead_code, reason = "each test takes what it needs")]

pub(crate) mod avl_encoder;
pub(crate) mod avl_properties;
pub(crate) mod vectors;
