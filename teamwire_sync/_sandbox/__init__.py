"""A local server that implements the REST contract, for demos, notebooks and tests.

`world` (users and chats) is a backend of `_server`. `controls` wraps the application of `_server`,
and `server` runs it.
Programs use `teamwire_sync.testing`. In `teamwire_sync`, only `testing` and the command line may
import this package.
"""
