"""Simulate OpenVZ nodes from recorded profiles, on machines that have no OpenVZ."""
