"""`sam deploy --guided` on the template: what SAM asks whoever presses Enter at each question."""

from __future__ import annotations

import json
import subprocess

import pytest

from tests.support.cloudformation import FRONT_DOOR, ROOT

PYTHON = ROOT / ".venv-deploy" / "bin" / "python"
QUESTIONS = """
import json, sys
from samcli.commands._utils.template import get_template_parameters
from samcli.commands.deploy.auth_utils import auth_per_resource
from samcli.lib.providers.sam_stack_provider import SamLocalStackProvider
name = sys.argv[1]
parameters = get_template_parameters(template_file=name)
entered = {key: str(each.get("Default", "")) for key, each in parameters.items()}
stacks, _ = SamLocalStackProvider.get_stacks(name, parameter_overrides=entered)
print(json.dumps(auth_per_resource(stacks)))
"""
"""Prints for each route of a function whether SAM knows how it is authenticated."""


@pytest.mark.skipif(not PYTHON.exists(), reason="needs SAM, in .venv-deploy: make test")
def test_sam_does_not_stop_at_the_question_whether_a_route_may_be_open() -> None:
    """Enter answers it with no, and that ends the deployment."""
    found = subprocess.run(
        [str(PYTHON), "-c", QUESTIONS, FRONT_DOOR],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    routes = json.loads(found.stdout.splitlines()[-1])
    assert routes == [["WebhookListener", True]] * 3 + [["App", True]]
