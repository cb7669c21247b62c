"""HTTP access to a Teamwire server: retries, deadlines, errors, TLS and proxies.

`_connection` creates the `HttpTransport`. The sandbox and the CLI use only `contract`, which holds
the paths and field names of the REST contract.
"""
