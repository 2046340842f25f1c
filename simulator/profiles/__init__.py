"""Recorded, composed and gathered nodes."""
