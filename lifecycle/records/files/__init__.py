"""Stored files. Their bytes are kept in pieces, so that none is ever held whole by whoever passes it on."""
