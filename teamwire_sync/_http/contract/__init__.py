"""The REST contract: operations, and JSON to models and back. Nothing else knows its names.

The contract is this project's own, since Teamwire's bot protocol is not public; docs/openapi.yaml
is its text. Besides `_http`, the sandbox uses its decoder, and the CLI its list of operations.
"""

from __future__ import annotations

from teamwire_sync._http.contract.decoder import Decoder, decode_chat, decode_done, decode_upload
from teamwire_sync._http.contract.events import decode_events
from teamwire_sync._http.contract.operations import (
    IDEMPOTENCY_KEY,
    OPERATIONS,
    ErrorDetails,
    Operation,
    decode_error,
    encode_draft,
    encode_edit,
    encode_message,
    encode_query,
    keeps_contract,
)
from teamwire_sync._internal.strict_json import decode_json

__all__ = [
    "IDEMPOTENCY_KEY",
    "OPERATIONS",
    "Decoder",
    "ErrorDetails",
    "Operation",
    "decode_chat",
    "decode_done",
    "decode_error",
    "decode_events",
    "decode_json",
    "decode_upload",
    "encode_draft",
    "encode_edit",
    "encode_message",
    "encode_query",
    "keeps_contract",
]
