"""Tell, before a live migration of an OpenVZ container, whether it can be restored elsewhere.

This package runs as root on production nodes. It uses the standard library alone, on
Python 3.6 and later, and imports as little of it as it can: vzmigrate waits for the answer.
"""

__version__ = "1.0.0"
