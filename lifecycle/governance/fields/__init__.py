"""Values of declared fields: read from what people type, shown as people read them."""
