"""A local server that implements the REST contract, for demos, notebooks and tests.

`world` (users and chats) is a backend of `_server`. `controls` wraps the application of `_server`,
and `server` runs it.
Programs use `teamwire_sync.testing`. In `teamwire_sync`, only `testing` and the command line may
import this package.
"""

SAY_PATH = "/sandbox/say"
"""The path that lets another user say something. It is not part of the contract."""

DEFAULT_PORT = 8326
"""The port of ``teamwire-sync sandbox``, below those that systems choose for clients."""
