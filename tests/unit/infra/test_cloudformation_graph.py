"""The graph gate finds each fault that is seeded, and only where it can come about."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.gates.cloudformation_conditions import Conditions
from tests.gates.cloudformation_faults import faults, unused
from tests.support.cloudformation import FRONT_DOOR, ROOT, parsed, template

PYTHON = ROOT / ".venv-deploy" / "bin" / "python"

SOUND = """
Parameters:
  Mode: {Type: String, AllowedValues: [big, small, medium]}
  Key: {Type: String, Default: ""}
  Address: {Type: String, AllowedPattern: "[a-z.]+:[0-9]+"}
Conditions:
  Big: !Equals [!Ref Mode, big]
  Small: !Equals [!Ref Mode, small]
  Medium: !Not [!Or [!Condition Big, !Condition Small]]
  OwnKey: !Not [!Equals [!Ref Key, ""]]
  OwnPort: !Not [!Equals [!Select [1, !Split [":", !Ref Address]], "443"]]
Resources:
  Queue:
    Type: AWS::SQS::Queue
    Properties: {KmsMasterKeyId: !If [OwnKey, !Ref Key, !Ref "AWS::NoValue"]}
  Topic:
    Type: AWS::SNS::Topic
    Condition: Big
  Rule:
    Type: AWS::Events::Rule
    DependsOn: Queue
    Properties: {Name: !If [Big, !Ref Topic, !If [Medium, !Ref Queue, none]]}
  Policy:
    Type: AWS::SQS::QueuePolicy
    Properties:
      Queues: [!Ref Queue]
      PolicyDocument:
        Statement:
          - {Sid: Always, Effect: Deny, Resource: !GetAtt Queue.Arn}
          - !If [Big, {Sid: FromTopic, Effect: Allow, Resource: !Ref Topic}, !Ref "AWS::NoValue"]
  Group:
    Type: AWS::EC2::SecurityGroup
    Properties:
      SecurityGroupEgress:
        - !If
          - OwnPort
          - Description: theirs
            FromPort: !Select [1, !Split [":", !Ref Address]]
            CidrIp: 0.0.0.0/0
          - !Ref AWS::NoValue
        - {Description: https, FromPort: 443, CidrIp: 0.0.0.0/0}
Outputs:
  Topic:
    Condition: Big
    Value: !Sub "${Topic.TopicName} of ${Queue}"
"""


def seeded(replaced: str, by: str) -> dict[str, Any]:
    assert replaced in SOUND
    return parsed(SOUND.replace(replaced, by))


def test_a_sound_template_has_no_fault() -> None:
    assert faults(parsed(SOUND)) == unused(parsed(SOUND)) == []


@pytest.mark.parametrize(
    ("replaced", "by", "fault"),
    [
        ("Queues: [!Ref Queue]", "Queues: [!Ref Que]", "Policy: there is no Que"),
        ("!GetAtt Queue.Arn", "!GetAtt Que.Arn", "Policy: there is no Que"),
        ("!GetAtt Queue.Arn", "!GetAtt Key.Arn", "Policy: there is no Key"),
        ('"${Topic.TopicName} of', '"${Topics} of', "output Topic: there is no Topics"),
        ("DependsOn: Queue", "DependsOn: [Queue, Que]", "Rule: there is no Que"),
        ("!If [OwnKey, !Ref Key", "!If [OwnKeys, !Ref Key", "Queue: there is no condition OwnKeys"),
        ("    Condition: Big\n    Value", "    Condition: At\n    Value", "no condition At"),
        ("!Condition Small]", "!Condition Smal]", "condition: there is no condition Smal"),
        ("!Equals [!Ref Mode, big]", "!Equals [!Ref Mod, on]", "a condition: there is no Mod"),
    ],
)
def test_a_reference_that_leads_nowhere(replaced: str, by: str, fault: str) -> None:
    [found] = faults(seeded(replaced, by))
    assert fault in found


def test_what_was_tried_is_counted() -> None:
    conditions = Conditions(parsed(SOUND))
    assert conditions.possible([("Big", True), ("Big", False)]) is None
    assert conditions.tried == 2  # big, and what is not
    assert conditions.possible([("Medium", True), ("OwnKey", True), ("Big", True)]) is None
    assert conditions.tried == 2 + 3 * 2
    faults(parsed(SOUND), {}, conditions)
    assert conditions.tried > 8


MEDIUM = "Topic does not exist where Mode is 'medium'"


@pytest.mark.parametrize(
    ("replaced", "by", "fault"),
    [
        ("!If [Big, !Ref Topic", "!If [Medium, !Ref Topic", f"Rule: {MEDIUM}"),
        ("!If [Big, !Ref Topic, !If [Medium, !Ref Queue, none]]", "!Ref Topic", f"Rule: {MEDIUM}"),
        ("DependsOn: Queue", "DependsOn: Topic", f"Rule: {MEDIUM}"),
        ("    Condition: Big\n    Value", "    Value", f"output Topic: {MEDIUM}"),
        ("!If [Big, {Sid: FromT", "!If [OwnKey, {Sid: FromT", "Policy: Topic does not exist where"),
    ],
)
def test_a_reference_to_what_may_be_absent(replaced: str, by: str, fault: str) -> None:
    [found] = faults(seeded(replaced, by))
    assert found.startswith(fault)


@pytest.mark.parametrize(
    "by",
    [
        "!If [Small, none, !If [Medium, none, !Ref Topic]]",
        "!If [Small, none, !If [Medium, none, !If [OwnKey, !Ref Topic, !Ref Queue]]]",
    ],
)
def test_a_reference_that_only_other_words_guard(by: str) -> None:
    assert faults(seeded("!If [Big, !Ref Topic, !If [Medium, !Ref Queue, none]]", by)) == []


def test_a_circle_is_found_only_where_its_references_meet() -> None:
    back = "Queue:\n    Type: AWS::SQS::Queue\n"
    always = seeded(back, f"{back}    DependsOn: Rule\n")
    [found] = faults(always)
    assert "is a circle where" in found
    assert {"Queue", "Rule"} <= set(re.findall(r"\w+", found))
    to_rule = "!If [OwnKey, !Ref Key, "
    there = "!If [Big, !Ref Topic, !If [Medium, !Ref Queue, none]]}\n"
    half = SOUND.replace("DependsOn: Queue\n    ", "").replace(to_rule, "!If [Big, !Ref Rule, ")
    assert there in half
    assert faults(parsed(half)) == []
    both = half.replace("!If [Big, !Ref Rule, ", "!If [Medium, !Ref Rule, ")
    [found] = faults(parsed(both))
    assert found.endswith("is a circle where Mode is 'medium'")


def test_a_resource_that_needs_itself_is_a_circle() -> None:
    [found] = faults(seeded("Queues: [!Ref Queue]", "Queues: [!Ref Policy]"))
    assert found.startswith("Policy -> Policy is a circle")


@pytest.mark.parametrize(
    ("replaced", "by", "fault"),
    [
        ("Mode: {", "Spare: {Type: String}\n  Mode: {", "parameter Spare is unused"),
        ("  Big: ", "  Spare: !Equals [!Ref Mode, big]\n  Big: ", "condition Spare is unused"),
        ('!If [OwnKey, !Ref Key, !Ref "AWS::NoValue"]', "text", "parameter Key is unused"),
    ],
)
def test_what_decides_nothing_is_unused(replaced: str, by: str, fault: str) -> None:
    assert fault in unused(seeded(replaced, by))


@pytest.mark.parametrize(
    ("replaced", "by"),
    [
        ("          - OwnPort\n", "          - OwnKey\n"),
        ('"443"]]', '"7233"]]'),
        ("FromPort: 443", 'FromPort: !Select [1, !Split [":", !Ref Address]]'),
    ],
)
def test_a_security_groups_rule_that_is_there_twice(replaced: str, by: str) -> None:
    [found] = faults(seeded(replaced, by))
    assert "theirs and https are one rule where" in found


def test_rules_with_resources_of_their_own_count_too() -> None:
    rule = """
  First:
    Type: AWS::EC2::SecurityGroupIngress
    Properties: {GroupId: !Ref Group, FromPort: 1, CidrIp: 10.0.0.0/8}
  Second:
    Type: AWS::EC2::SecurityGroupIngress
    Properties: {GroupId: !Ref Group, FromPort: "1", CidrIp: 10.0.0.0/8}
  Queue:"""
    [found] = faults(seeded("\n  Queue:", rule))
    assert "are one rule where" in found
    assert faults(seeded("\n  Queue:", rule.replace('"1"', "2"))) == []


def test_statements_of_one_name() -> None:
    [found] = faults(seeded("Sid: FromTopic", "Sid: Always"))
    assert found == "Policy: a policy has two statements Always where Mode is 'big'"


@pytest.mark.parametrize(
    ("replaced", "by", "fault"),
    [
        ("[!Ref Mode, small]", "[!Ref Mode, smal]", "condition Small is never met"),
        ('[!Ref Key, ""]', '[!Ref Mode, ""]', "condition OwnKey is always met"),
        ("[!Ref Mode, big]", "[!Ref Mode, huge]", "rule Sized never applies"),
    ],
)
def test_what_no_parameters_change_decides_nothing(replaced: str, by: str, fault: str) -> None:
    rules = "Rules:\n  Sized: {RuleCondition: !Equals [!Ref Mode, big]}\nConditions:\n"
    ruled = SOUND.replace("Conditions:\n", rules)
    assert unused(parsed(ruled)) == []
    assert fault in unused(parsed(ruled.replace(replaced, by)))


@pytest.mark.parametrize(
    ("replaced", "by", "circle"),
    [
        ("!Equals [!Ref Mode, big]", "!Condition Big", {"Big"}),
        ("!Equals [!Ref Mode, big]", "!Not [!Condition Medium]", {"Big", "Medium"}),
        ('!Equals [!Ref Key, ""]', "!And [!Condition Big, !Condition OwnKey]", {"OwnKey"}),
    ],
)
def test_conditions_in_a_circle_are_one_fault(replaced: str, by: str, circle: set[str]) -> None:
    template = seeded(replaced, by)
    [found] = faults(template)
    names = found.removesuffix(" is a circle of conditions").split(" -> ")
    assert ({*names}, names[0]) == (circle, names[-1])
    assert unused(template) == []


MAPPED = SOUND.replace(
    "Conditions:\n",
    """Mappings:
  Sizes: {big: {memory: 512}, small: {memory: 128}}
Conditions:
""",
)


@pytest.mark.parametrize(
    ("looked_up", "expected"),
    [
        ("[Sizes, big, memory]", []),
        ("[Sizes, !Ref Mode, memory]", []),
        ("[Sizes, big, !Ref Mode]", []),
        ("[!Ref Mode, big, memory]", []),
        ("[Size, big, memory]", ["Queue: there is no mapping Size"]),
        ("[Sizes, huge, memory]", ["Queue: the mapping Sizes has no huge.memory"]),
        ("[Sizes, big, disk]", ["Queue: the mapping Sizes has no big.disk"]),
    ],
)
def test_what_is_looked_up_is_in_the_mapping(looked_up: str, expected: list[str]) -> None:
    key = '!If [OwnKey, !Ref Key, !Ref "AWS::NoValue"]'
    assert key in MAPPED
    template = parsed(MAPPED.replace(key, f"!If [OwnKey, !FindInMap {looked_up}, !Ref Key]"))
    assert faults(template) == expected


def test_a_condition_looks_up_in_a_mapping_that_is_there() -> None:
    template = parsed(MAPPED.replace("[!Ref Mode, big]", "[!FindInMap [Size, a, b], big]"))
    assert "a condition: there is no mapping Size" in faults(template)


def test_a_mapping_in_which_nothing_is_looked_up_is_unused() -> None:
    assert unused(parsed(MAPPED)) == ["mapping Sizes is unused"]


def test_a_nested_stack_has_the_outputs_and_parameters_that_it_is_asked_for() -> None:
    outer = seeded(
        "Resources:\n",
        "Resources:\n  Inner:\n    Type: AWS::CloudFormation::Stack\n"
        "    Properties: {Parameters: {Name: a, Mail: b}}\n"
        "  Heard: {Type: AWS::SNS::Topic, Properties: {TopicName: !GetAtt Inner.Outputs.Nam}}\n",
    )
    inner: dict[str, Any] = {"Parameters": {"Name": {}, "Key": {}}, "Outputs": {"Name": {}}}
    maybe = inner | {"Outputs": {"Nam": {"Condition": "Keyed"}}}
    assert (
        faults(outer, {"Inner": maybe})[0] == "Heard: the nested stack Inner may have no output Nam"
    )
    assert faults(outer, {"Inner": inner}) == [
        "Heard: the nested stack Inner has no output Nam",
        "Inner: its template has no parameter Mail",
        "Inner: its template needs the parameter Key",
    ]


def test_every_template_is_checked() -> None:
    made = {
        str(path.relative_to(ROOT))
        for path in [ROOT / FRONT_DOOR, *(ROOT / "infra" / "aws").glob("*.yaml")]
        if "AWSTemplateFormatVersion" in path.read_text(encoding="utf-8")
    }
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    [(front, names)] = re.findall(
        r"^TEMPLATES := (\S+) \\\n\t\$\(addprefix infra/aws/,(.*)\)$", makefile, re.M
    )
    assert {front, *(f"infra/aws/{name}" for name in names.split(" "))} == made


def test_the_templates_that_need_no_transform_are_sound() -> None:
    for name in (str(path) for path in (ROOT / "infra" / "aws").glob("*.yaml")):
        source = template(name)
        if "Resources" in source and "Transform" not in source:
            assert faults(source) + unused(source) == []


@pytest.mark.skipif(not PYTHON.exists(), reason="needs SAM, in .venv-deploy: make test")
def test_the_gate_fails_for_what_is_wrong_after_sams_transform(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "infra" / "aws", tmp_path / "infra" / "aws")
    front = (ROOT / FRONT_DOOR).read_text(encoding="utf-8")
    conditional = 'RuleName: !If [ByEventBridge, !Ref DocumentsRule, ""]'
    generated = "Value: !GetAtt Alarms.Outputs.TopicArn"
    assert conditional in front
    assert generated in front
    front = front.replace(conditional, "RuleName: !Ref DocumentsRule")
    front = front.replace(generated, "Value: !GetAtt CodeDeployServiceRole.Arn")
    (tmp_path / FRONT_DOOR).write_text(front, encoding="utf-8")
    name = str(tmp_path / FRONT_DOOR)
    command = [str(PYTHON), "-m", "tests.gates.cloudformation_graph", name]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert ran.stderr.splitlines() == [
        f"{name}: output AlarmTopic: there is no CodeDeployServiceRole",
        f"{name}: Alarms: DocumentsRule does not exist where S3Delivery is 'Direct'",
    ]
    printed = (
        r"1 templates, (\d+) after the transform, (\d+) combinations of conditions, 2 faults\n"
    )
    counted = re.fullmatch(printed, ran.stdout)
    assert counted
    results, tried = map(int, counted.groups())
    assert tried > results > 1
