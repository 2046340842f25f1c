"""One migration judged: on restore, and on programs."""
