"""A host project's own app, with models of its own that feeds fill."""
