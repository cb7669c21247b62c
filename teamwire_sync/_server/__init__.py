"""The REST contract over HTTP: one Flask application that serves any `Backend`.

The sandbox is a backend. This package contains all that does not depend on the backend: routes,
validation, errors, headers. It imports no backend, and no backend imports `app`.
"""
