"""A matrix written down: one module a format. Each yields text as it is made."""
