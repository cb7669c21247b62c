"""How things look to people: tables in HTML, data frames and progress bars.

It knows texts, rows and columns, and none of the values. Every other package may use it.
"""
