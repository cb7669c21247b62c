"""The vendor's async SDK as a transport, on a thread of its own.

`_connection` and programs use `VendorTransport`; the command ``vendor-check`` uses `check`.
Nothing else in here is for other packages.
"""

from teamwire_sync._vendor.transport import VendorTransport

__all__ = ["VendorTransport"]
