"""What every room may use: deadlines, checks of arguments, fork handling, lazy imports, secrets.

It knows nobody else of the package but the exceptions.
"""
