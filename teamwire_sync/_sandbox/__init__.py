"""A local server that implements the REST contract, for demos, notebooks and tests.

This package holds the HTTP part. It uses `world` (users and chats) and does not use `controls`.
Programs use `teamwire_sync.testing`. In `teamwire_sync`, only `testing` and the command line may
import this package.
"""
