//! What the integration tests and the fuzz targets share: an AVL encoder and the bodies of the properties.

pub(crate) mod avl_encoder;
pub(crate) mod avl_properties;
