"""The way to a Teamwire server over HTTP: tries, deadlines, errors, TLS and proxies.

`_connection` makes its `HttpTransport`. Nothing else outside uses it but `contract`, which alone
knows the paths and field names of the REST contract.
"""
