"""Output for people: HTML tables, data frames and progress bars.

The package handles texts, rows and columns. It does not depend on the models. Every other package
may use it.
"""
