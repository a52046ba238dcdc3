"""The contract: lint passes, committed stubs are what the proto files generate, every field says its unit."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from google.protobuf import descriptor_pb2

ROOT = Path(__file__).resolve().parents[2]
PROTO = ROOT / "proto"


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("proto_generate", PROTO / "generate.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def buf() -> str:
    beside = Path(sys.executable).parent / "buf"
    return str(beside) if beside.exists() else (shutil.which("buf") or pytest.skip("buf is not installed"))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[descriptor_pb2.FileDescriptorProto]:
    """Descriptors with comments, straight from the proto files."""
    out = tmp_path_factory.mktemp("descriptors") / "contract.binpb"
    make = generator()
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{PROTO}", f"--descriptor_set_out={out}",
               "--include_source_info", *make.sources()]  # fmt: skip
    subprocess.run(command, check=True)
    return list(descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes()).file)


def test_lint_passes() -> None:
    done = subprocess.run([buf(), "lint"], cwd=PROTO, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_committed_stubs_are_what_the_contract_generates(tmp_path: Path) -> None:
    make = generator()
    make.generate(tmp_path)
    fresh = {p.name: p.read_text() for p in (tmp_path / make.PACKAGE).iterdir()}
    kept = {p.name: p.read_text() for p in (ROOT / make.PACKAGE).iterdir() if p.name in fresh or "_pb2" in p.name}
    stale = sorted(n for n in fresh.keys() | kept.keys() if fresh.get(n) != kept.get(n))
    assert not stale, f"run `python proto/generate.py`; out of date: {stale}"


def fields(
    file: descriptor_pb2.FileDescriptorProto,
) -> Iterator[tuple[str, descriptor_pb2.FieldDescriptorProto, str]]:
    """(message.field, descriptor, leading comment) of every field in the file."""
    comments = {tuple(place.path): place.leading_comments for place in file.source_code_info.location}

    def walk(
        message: descriptor_pb2.DescriptorProto, path: tuple[int, ...]
    ) -> Iterator[tuple[str, descriptor_pb2.FieldDescriptorProto, str]]:
        if message.options.map_entry:
            return
        for i, field in enumerate(message.field):
            yield f"{message.name}.{field.name}", field, comments.get((*path, 2, i), "")
        for i, nested in enumerate(message.nested_type):
            yield from walk(nested, (*path, 3, i))

    for i, message in enumerate(file.message_type):
        yield from walk(message, (4, i))


def test_every_field_comment_ends_with_its_unit(files: list[descriptor_pb2.FileDescriptorProto]) -> None:
    silent = [name for f in files for name, _, comment in fields(f) if not comment.strip().endswith("]")]
    assert not silent, f"end these comments with a unit in brackets, [none] or [1]: {silent}"


def test_every_floating_number_has_a_real_unit(files: list[descriptor_pb2.FileDescriptorProto]) -> None:
    double = descriptor_pb2.FieldDescriptorProto.TYPE_DOUBLE
    vague = [name for f in files for name, field, comment in fields(f)
             if field.type == double and comment.strip().endswith("[none]")]  # fmt: skip
    assert not vague, f"a number has a unit, or is [1]: {vague}"


def test_names_with_a_unit_suffix_agree_with_their_comment(files: list[descriptor_pb2.FileDescriptorProto]) -> None:
    wrong = [name for f in files for name, _, comment in fields(f)
             if name.endswith("_h") and not comment.strip().split("[")[-1].startswith("h")]  # fmt: skip
    assert not wrong


def test_enum_zero_is_unspecified(files: list[descriptor_pb2.FileDescriptorProto]) -> None:
    for file in files:
        for enum in file.enum_type:
            assert enum.value[0].number == 0 and enum.value[0].name.endswith("_UNSPECIFIED"), enum.name


def test_writes_carry_a_request_id(files: list[descriptor_pb2.FileDescriptorProto]) -> None:
    messages = {m.name: {f.name for f in m.field} for file in files for m in file.message_type}
    writes = ("Create", "Update", "Delete", "Record", "Correct", "Retract", "Generate", "SimulatePopulation")
    missing = [n for n, names in messages.items()
               if n.endswith("Request") and n.startswith(writes) and "request_id" not in names]  # fmt: skip
    assert not missing


def test_answers_carry_their_basis(files: list[descriptor_pb2.FileDescriptorProto]) -> None:
    messages = {m.name: {f.name for f in m.field} for file in files for m in file.message_type}
    answers = ("GetTwin", "GetTrajectory", "ListForecasts", "GetAnswer", "Simulate", "StreamSimulate", "Compare",
               "Recommend", "ForecastControlArm", "AnalyzeTrial", "GetPopulationResult")  # fmt: skip
    missing = [a for a in answers if "basis" not in messages[f"{a}Response"]]
    assert not missing


def test_rules_have_the_numbers_validators_read() -> None:
    """Our excerpt of the rule vocabulary against the one inside the validation library."""
    validate = pytest.importorskip("protovalidate._gen.buf.validate.validate_pb")
    done = subprocess.run([sys.executable, "-m", "grpc_tools.protoc", f"-I{PROTO}", "--descriptor_set_out=/dev/stdout",
                           "buf/validate/validate.proto"], check=True, capture_output=True)  # fmt: skip
    ours = descriptor_pb2.FileDescriptorSet.FromString(done.stdout).file[0]
    compared = 0
    for message in ours.message_type:
        theirs = {f.name: f.number for f in getattr(validate, message.name).desc().fields}
        for field in message.field:
            assert theirs[field.name] == field.number, f"{message.name}.{field.name}"
            compared += 1
    assert compared > 40
