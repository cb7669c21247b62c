"""The gateway: the REST contract, served over a transport.

One process uses the vendor's SDK or another server of the contract. Its clients are programs on any
machine. The package is a backend of `teamwire_sync._server`, and imports nothing of the sandbox.
"""

# Seconds. Each program's own cache keeps the chats longer. This time only merges the listings of
# programs that need one at the same time.
CACHE_TTL = 5.0
# Of a server. Each may need a connection to the upstream.
CONNECTIONS = 256
