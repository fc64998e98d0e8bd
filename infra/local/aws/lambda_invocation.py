"""One invocation of a function, as a process of its own: it loads the handler, calls it once with
the event on standard input, and ends.

    python -m infra.local.aws.lambda_invocation --handler MODULE:FUNCTION --function NAME
        --version VERSION --request-id ID --memory MB --deadline SECONDS

The deadline is a time of the monotonic clock, which all processes of a machine share. The exit code
is 1 when the handler raises, and the traceback is logged.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys

from core.process_end import end_process
from infra.local.aws.lambda_function import LambdaContext, load_handler


def main() -> None:
    parser = argparse.ArgumentParser(description="Invoke a Lambda handler once.")
    parser.add_argument("--handler", required=True, metavar="MODULE:FUNCTION")
    parser.add_argument("--function", required=True, help="the function's name")
    parser.add_argument("--version", required=True, help="the function's version")
    parser.add_argument("--request-id", required=True)
    parser.add_argument("--memory", required=True, type=int, help="in MB")
    parser.add_argument("--deadline", required=True, type=float, help="on the monotonic clock")
    options = parser.parse_args()
    context = LambdaContext(
        options.function,
        options.request_id,
        options.deadline,
        function_version=options.version,
        memory_limit_in_mb=options.memory,
    )
    code = 0
    try:
        load_handler(options.handler)(json.loads(sys.stdin.read() or "{}"), context)
    except Exception:
        logging.getLogger("lambda").exception("the handler failed")
        code = 1
    end_process(code)


if __name__ == "__main__":
    main()
