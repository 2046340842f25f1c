"""The commands of vzcptsim, one a module."""
