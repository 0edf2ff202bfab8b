"""Messages to people, by the library apprise."""
