"""VendorTransport: the vendor's async SDK, on a thread of its own."""

from teamwire_sync._vendor.transport import VendorTransport

__all__ = ["VendorTransport"]
