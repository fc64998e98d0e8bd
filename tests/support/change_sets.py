"""CloudFormation as far as `sam deploy` and the AWS CLI need it: change sets are recorded and, when
they are executed, done. Nothing is created, so a template may hold what moto does not know."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Final
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import escape

from tests.support.web import Quiet, listening

ACCOUNT: Final = "111122223333"
MANAGED: Final = "aws-sam-cli-managed-default"
"""The stack of SAM's own, whose output is the bucket for artefacts."""
_TIME: Final = "2026-01-01T00:00:00.000Z"


@dataclass(frozen=True, slots=True)
class ChangeSet:
    """What was asked for. The template is under a key of SAM's bucket."""

    stack: str
    template_key: str
    parameters: Mapping[str, str]
    capabilities: frozenset[str]
    tags: Mapping[str, str]


@dataclass(slots=True)
class CloudFormation:
    """The change sets that were created, and the outputs of the stacks that exist."""

    url: str
    bucket: str
    outputs: Mapping[str, Mapping[str, str]]
    created: list[ChangeSet] = field(default_factory=list)
    executed: list[str] = field(default_factory=list)

    def answer(self, form: Mapping[str, str]) -> tuple[int, str]:
        """The status and the body of the response to a request of the query protocol."""
        action, stack = form["Action"], form.get("StackName", "").rpartition("stack/")[2]
        stack = stack.partition("/")[0]
        match action:
            case "CreateChangeSet":
                self.created.append(_change_set(form))
                body = f"<Id>{_arn('changeSet', form['ChangeSetName'])}</Id>"
                body += f"<StackId>{_arn('stack', stack)}</StackId>"
            case "DescribeChangeSet":
                body = (
                    f"<StackName>{stack}</StackName><Status>CREATE_COMPLETE</Status>"
                    "<ExecutionStatus>AVAILABLE</ExecutionStatus><Changes><member><Type>Resource</Type>"
                    "<ResourceChange><Action>Add</Action><LogicalResourceId>Any</LogicalResourceId>"
                    "<ResourceType>AWS::S3::Bucket</ResourceType></ResourceChange></member></Changes>"
                )
            case "ExecuteChangeSet":
                self.executed.append(stack)
                body = ""
            case "DescribeStacks" if stack == MANAGED or stack in self.executed:
                body = f"<Stacks><member>{self._stack(stack)}</member></Stacks>"
            case "DescribeStackEvents":
                body = f"<StackEvents><member>{self._event(stack)}</member></StackEvents>"
            case _:
                message = f"{action}: Stack with id {stack} does not exist"
                error = f"<Code>ValidationError</Code><Message>{message}</Message>"
                return 400, f"<ErrorResponse><Error>{error}</Error></ErrorResponse>"
        return 200, f"<{action}Response><{action}Result>{body}</{action}Result></{action}Response>"

    def _stack(self, name: str) -> str:
        outputs = {"SourceBucket": self.bucket} if name == MANAGED else self.outputs.get(name, {})
        tags = {"ManagedStackSource": "AwsSamCli"} if name == MANAGED else {}
        return (
            f"<StackName>{name}</StackName><StackId>{_arn('stack', name)}</StackId>"
            f"<StackStatus>CREATE_COMPLETE</StackStatus><CreationTime>{_TIME}</CreationTime>"
            f"<Outputs>{_pairs(outputs, 'OutputKey', 'OutputValue')}</Outputs>"
            f"<Tags>{_pairs(tags, 'Key', 'Value')}</Tags>"
        )

    def _event(self, stack: str) -> str:
        """The newest event of a stack: SAM waits for one that is newer than what it began with."""
        time, status = (
            ("2100-01-01T00:00:00Z", "CREATE_COMPLETE")
            if stack in self.executed
            else (_TIME, "REVIEW_IN_PROGRESS")
        )
        return (
            f"<EventId>{time}</EventId><StackId>{_arn('stack', stack)}</StackId>"
            f"<StackName>{stack}</StackName><LogicalResourceId>{stack}</LogicalResourceId>"
            f"<PhysicalResourceId>{_arn('stack', stack)}</PhysicalResourceId>"
            "<ResourceType>AWS::CloudFormation::Stack</ResourceType>"
            f"<ResourceStatus>{status}</ResourceStatus><Timestamp>{time}</Timestamp>"
        )


def _arn(kind: str, name: str) -> str:
    return f"arn:aws:cloudformation:eu-west-1:{ACCOUNT}:{kind}/{name}/0a1b2c3d"


def _pairs(values: Mapping[str, str], key: str, value: str) -> str:
    return "".join(
        f"<member><{key}>{k}</{key}><{value}>{escape(v)}</{value}></member>"
        for k, v in values.items()
    )


def _change_set(form: Mapping[str, str]) -> ChangeSet:
    def numbered(prefix: str, key: str, value: str) -> dict[str, str]:
        names = sorted(n for n in form if re.fullmatch(rf"{prefix}\.member\.\d+\.{key}", n))
        return {form[n]: form.get(f"{n.removesuffix(key)}{value}", "") for n in names}

    return ChangeSet(
        stack=form["StackName"],
        template_key=urlsplit(form["TemplateURL"]).path.split("/", 2)[2],
        parameters=numbered("Parameters", "ParameterKey", "ParameterValue"),
        capabilities=frozenset(v for n, v in form.items() if n.startswith("Capabilities.member.")),
        tags=numbered("Tags", "Key", "Value"),
    )


@contextmanager
def cloudformation(
    bucket: str, outputs: Mapping[str, Mapping[str, str]]
) -> Iterator[CloudFormation]:
    """A server on a port of its own. `bucket` is SAM's; `outputs` are those of a stack by its name,
    from when its change set is executed."""

    class Answers(Quiet, BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            status, text = stub.answer({k: v[0] for k, v in parse_qs(body).items()})
            self.send_response(status)
            self.send_header("Content-Type", "text/xml")
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

    with listening(Answers) as port:
        stub = CloudFormation(f"http://127.0.0.1:{port}", bucket, outputs)
        yield stub
