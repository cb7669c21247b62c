"""The people and chats of a sandbox, and what happens to them, over SQLite.

It knows nothing of HTTP and of Flask: it returns the contract's JSON and raises `RefusedError`.
The HTTP part and `controls` use it; tests and the demo take from `seed` what every world has.
"""
