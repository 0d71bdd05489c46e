"""What a user may set: the service in TOML, and what is spoken of markup."""
