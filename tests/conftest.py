"""Hypothesis on machines that are busy with other things: no example has a deadline."""

from hypothesis import settings

settings.register_profile("project", deadline=None)
settings.load_profile("project")
