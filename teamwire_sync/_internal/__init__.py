"""Helpers for all packages: deadlines, argument checks, fork handling, lazy imports, secrets.

They import only `exceptions` from the rest of teamwire_sync.
"""
