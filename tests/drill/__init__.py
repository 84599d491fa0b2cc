"""The fault drill: the whole product under load and faults, and afterwards the books (`./dev drill`)."""
