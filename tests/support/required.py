"""What tests need beside Python packages: where it is missing they are skipped with a reason, or fail where it must be there."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def skip_or_fail(missing: str, *, variable: str = "VOICEAGENT_SYSTEM", whole_module: bool = False) -> NoReturn:
    """Skip; fail where the environment variable is "required", as .ci/run says, so that nothing is left out unseen."""
    if os.environ.get(variable) == "required":
        pytest.fail(missing, pytrace=False)
    pytest.skip(missing, allow_module_level=whole_module)
