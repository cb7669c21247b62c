"""The way to a Teamwire server over HTTP: tries, deadlines, errors, TLS and proxies.

`_connection` makes its `HttpTransport`, and imports nothing else of it. Only `contract` knows the
paths and field names of the REST contract.
"""
