"""The gateway: the REST contract, served over a transport.

One process uses the vendor's SDK or another server of the contract. Its clients are programs on any
machine. The package is a backend of `teamwire_sync._server`, and imports nothing of the sandbox.
"""
