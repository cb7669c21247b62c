"""The REST contract over HTTP: one Flask application, which serves any `Backend`.

The package contains everything that is the same for all backends: routes, validation, errors and
headers. It imports no backend, and no backend imports `app`. The sandbox uses this package.
"""
