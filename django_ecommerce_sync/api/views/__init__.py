"""The views, by what they are about."""
