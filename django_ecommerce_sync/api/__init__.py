"""The REST API: parse, call the rest of the package, present. No rule lives here."""
