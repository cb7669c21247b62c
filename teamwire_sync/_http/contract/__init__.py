"""The REST contract: its operations, and the conversion between JSON and models.

No other client code contains the contract's paths and field names. The contract is this project's
own, because Teamwire's bot protocol is not public. openapi.yaml specifies it. Besides `_http`,
`_server` and the CLI's demo use the list of operations, and the sandbox uses the decoder.
"""

from __future__ import annotations

from teamwire_sync._http.contract.decoder import (
    Decoder,
    decode_chat,
    decode_done,
    decode_upload,
)
from teamwire_sync._http.contract.events import decode_events
from teamwire_sync._http.contract.operations import (
    CIRCLE_NOT_PUBLIC,
    DELIVERY_UNKNOWN,
    IDEMPOTENCY_KEY,
    IN_PROGRESS,
    INVALID_MEMBERS,
    NO_AVATAR,
    NO_STORE,
    NOT_FOUND,
    OPERATIONS,
    REVISION_HEADER,
    UNCACHED,
    UNKNOWN_REVISION,
    UNSUPPORTED,
    ErrorDetails,
    Operation,
    decode_error,
    decode_revision,
    encode_draft,
    encode_edit,
    encode_message,
    encode_properties,
    encode_query,
    keeps_contract,
)
from teamwire_sync._internal.strict_json import decode_json

__all__ = [
    "CIRCLE_NOT_PUBLIC",
    "DELIVERY_UNKNOWN",
    "IDEMPOTENCY_KEY",
    "INVALID_MEMBERS",
    "IN_PROGRESS",
    "NOT_FOUND",
    "NO_AVATAR",
    "NO_STORE",
    "OPERATIONS",
    "REVISION_HEADER",
    "UNCACHED",
    "UNKNOWN_REVISION",
    "UNSUPPORTED",
    "Decoder",
    "ErrorDetails",
    "Operation",
    "decode_chat",
    "decode_done",
    "decode_error",
    "decode_events",
    "decode_json",
    "decode_revision",
    "decode_upload",
    "encode_draft",
    "encode_edit",
    "encode_message",
    "encode_properties",
    "encode_query",
    "keeps_contract",
]
