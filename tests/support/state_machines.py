"""Running a state machine of hypothesis: the same examples each time, unless told otherwise.

``CACHE_MODEL_EXAMPLES`` says how many to run, others each time, and ``CACHE_MODEL_STEPS`` how long
they are at most. Only then an example that fails is made smaller, which takes minutes.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

if TYPE_CHECKING:
    from hypothesis.stateful import RuleBasedStateMachine


def run_examples(machine: type[RuleBasedStateMachine], examples: int, steps: int) -> None:
    """Run *examples* histories of *machine*, of up to so many *steps*."""
    given = os.environ.get("CACHE_MODEL_EXAMPLES")
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=int(given or examples),
            stateful_step_count=int(os.environ.get("CACHE_MODEL_STEPS", steps)),
            derandomize=given is None,
            # To make an example smaller takes longer than a test may.
            phases=[Phase.generate, Phase.shrink] if given else [Phase.generate],
            database=None,
            deadline=None,
            print_blob=False,
            suppress_health_check=list(HealthCheck),
        ),
    )
