"""Simulated kernels: /proc/cpt and /proc/rst as the real ones answer."""
