"""The users and chats of a sandbox and their changes, stored in SQLite.

This package does not use Flask: it returns the contract's JSON and raises `RefusedError`. `backend`
connects it to the application. `controls` use this package. Tests and the demo import from `seed`
the IDs that every world has.
"""
