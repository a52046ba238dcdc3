"""What measures the doors measures right: the ward it makes up, the records, the wire that breaks, what it counts."""

from __future__ import annotations

import json
import socket
import threading
from collections import Counter
from pathlib import Path

import pytest

from twin_client.ehr.fhir import read_bundle
from twin_client.ehr.hl7v2.message import parse
from twin_client.ehr.hl7v2.read import check_header, read_message
from twin_client.ehr.ingest import Options
from twin_client.ehr.site import Site
from twin_service.demo.doors.messages import make_ward
from twin_service.demo.doors.records import make_patients
from twin_service.demo.doors.run import PARTS, Where, run
from twin_service.demo.doors.standing import differences, digest
from twin_service.demo.doors.trouble import Cutter
from twin_service.outcome import Refusal


def test_a_ward_is_made_from_its_seed_and_each_message_is_read() -> None:
    ward = make_ward(3, 200, 5)
    assert ward.messages == make_ward(3, 200, 5).messages != make_ward(4, 200, 5).messages
    kinds: Counter[str] = Counter()
    for block in ward.messages:
        message = parse(block)
        kinds[check_header(message)] += 1
        letter = read_message(message, Options(Site(authority="HOSP")))
        assert letter.patient in ward.stands
        assert {h.reason for h in letter.held} <= {'OBX-11 says "P": it is not final'}
    statuses = Counter(s.text(11) for b in ward.messages for s in parse(b).all("OBX"))
    assert min(kinds["ORU"], kinds["RAS"]) > 10 and min(statuses[s] for s in "FCPWX") >= 1


def test_made_up_patients_are_accounted_for_and_meet_every_fate() -> None:
    met: Counter[str] = Counter()
    for _, bundle in make_patients(1, 6):
        reading = read_bundle(json.loads(json.dumps(bundle)))
        assert sum(reading.fates.values()) == len(bundle["entry"])
        met.update(reading.fates)
    assert {"taken", "held", "ignored", "nothing"} <= set(met)


def test_differences_tell_what_is_lost_from_what_is_doubled() -> None:
    expected = {("lab/a", "1"): 1.0, ("lab/a", "2"): 2.0}
    assert differences({("lab/a", "1"): [1.0], ("lab/a", "2"): [2.0]}, expected) == (0, 0)
    assert differences({("lab/a", "1"): [1.0]}, expected) == (1, 0)
    assert differences({("lab/a", "1"): [1.0, 1.0], ("lab/a", "2"): [3.0], ("lab/b", "1"): [1.0]}, expected) == (1, 2)
    one, other = {("a", "1"): [1.0, 2.0]}, {("a", "1"): [2.0, 1.0]}
    assert digest([("p", one)]) == digest([("p", other)]) != digest([("p", {("a", "1"): [1.0]})])


def test_the_wire_is_cut_after_some_bytes_in_either_direction() -> None:
    def echo(server: socket.socket) -> None:
        while True:
            try:
                near, _ = server.accept()
            except OSError:
                return
            with near:
                while data := near.recv(1000):
                    try:
                        near.sendall(data)
                    except OSError:
                        break

    server = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=echo, args=(server,), daemon=True).start()
    cutter = Cutter(lambda: ("127.0.0.1", server.getsockname()[1]), 500.0, 1)
    lengths = set()
    for _ in range(5):
        with socket.create_connection(cutter.address, 5.0) as s:
            got = 0
            try:
                for _ in range(1000):
                    s.sendall(b"x" * 50)
                    part = s.recv(50)
                    if not part:
                        break
                    got += len(part)
            except OSError:
                pass
            lengths.add(got)
    cutter.close()
    server.close()
    assert len(lengths) > 2 and cutter.cuts >= 5


def test_a_door_that_is_none_is_refused_and_each_part_can_be_found() -> None:
    with pytest.raises(Refusal, match="known: ehr, hl7"):
        run(lambda line: None, Where(Path("none")), ["window"])
    from importlib import import_module

    assert all(callable(import_module(module).figures) for module in PARTS.values())
