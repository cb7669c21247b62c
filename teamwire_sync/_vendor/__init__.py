"""The vendor's async SDK as a transport, on a thread of its own.

`_connection`, programs and the command ``vendor-check`` use `VendorTransport`.
Nothing else in here is for other packages.
"""

from teamwire_sync._vendor.transport import VendorTransport

__all__ = ["VendorTransport"]
