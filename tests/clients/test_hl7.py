"""HL7 v2 messages: what is read, what is held and why, and the answers to what is no message."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from twin_client.ehr.hl7v2.acknowledge import acknowledgement
from twin_client.ehr.hl7v2.message import RejectedError, parse
from twin_client.ehr.hl7v2.read import Letter, check_header, read_message
from twin_client.ehr.hl7v2.times import Clock
from twin_client.ehr.ingest import Options
from twin_client.ehr.reading import Held, HoldError
from twin_client.ehr.site import Site, site_of

HEAD = "MSH|^~\\&|LAB|WARD|TWIN|HOSP|20260301120000+0100||{kind}|C1|P|2.5.1"
PID = "PID|1||77^^^HOSP^MR||Doe^J||19610214|F"
OBR = "OBR|1|P1^EHR|F1^LAB|24323-8^Panel^LN|||20260301080000+0100"
KREA = "OBX|1|NM|2160-0^Creatinine^LN||1.1|mg/dL^^UCUM|||||F"


def read(*lines: str, kind: str = "ORU^R01", head: str = HEAD, **options: object) -> Letter:
    block = "\r".join((head.format(kind=kind), *lines)).encode()
    message = parse(block)
    check_header(message)
    return read_message(message, Options(**options))  # type: ignore[arg-type]


def labs(letter: Letter) -> list[tuple[str, float, str]]:
    return [(e.lab.analyte, e.lab.value.value, e.lab.value.unit) for e in letter.events if e.HasField("lab")]


def reasons(letter: Letter) -> str:
    return " | ".join(h.reason for h in letter.held)


def test_a_result_is_read_with_its_time_unit_and_characteristics() -> None:
    letter = read(PID, OBR, KREA)
    assert letter.patient == "77" and labs(letter) == [("creatinine", 1.1, "mg/dL")] and not letter.held
    (lab,) = (e for e in letter.events if e.HasField("lab"))
    assert lab.time.ToDatetime(tzinfo=UTC) == datetime(2026, 3, 1, 7, tzinfo=UTC) and lab.source == "hl7v2"
    about = {e.covariate.name: e.covariate.value.value for e in letter.events if e.HasField("covariate")}
    assert about == {"age_y": pytest.approx(65.04, abs=0.01), "sex_female": 1.0}
    assert not any("Doe" in str(e) for e in letter.events)


def test_several_orders_each_give_their_own_time() -> None:
    later = "OBR|2||F2^LAB|24323-8^Panel^LN|||20260301090000+0100"
    own = "OBX|1|NM|2823-3^K^LN||4.2|mmol/L^^UCUM|||||F|||20260301091500+0100"
    letter = read(PID, OBR, KREA, later, "OBX|1|NM|2951-2^Na^LN||140|mmol/L^^UCUM|||||F", own)
    times = {e.lab.analyte: e.time.ToDatetime(tzinfo=UTC) for e in letter.events if e.HasField("lab")}
    assert {k: f"{t:%H%M}" for k, t in times.items()} == {"creatinine": "0700", "sodium": "0800", "potassium": "0815"}


@pytest.mark.parametrize(
    ("obx", "why"),
    [
        (KREA[:-1] + "P", "not final"),
        (KREA[:-1] + "I", "not final"),
        (KREA.replace("NM", "ST"), "no number"),
        (KREA.replace("|1.1|", "|1.1~1.2|"), "holds 2 values"),
        (KREA.replace("|1.1|", "|1,1|"), "no number"),
        (KREA.replace("|1.1|", "||"), "empty"),
        (KREA.replace("mg/dL^^UCUM", "mg%"), "not a UCUM code"),
        (KREA.replace("2160-0", "99999-9"), "not mapped"),
        (KREA.replace("NM", "SN").replace("|1.1|", "|^1^-^2|"), "range"),
    ],
)
def test_what_is_no_final_number_of_a_known_test_is_held(obx: str, why: str) -> None:
    letter = read(PID, OBR, obx)
    assert why in reasons(letter) and not labs(letter)
    assert letter.held[0].resource == "OBX[1]" and letter.held[0].remedy


def test_a_bound_is_censored_and_a_plain_unit_is_said_to_be_assumed() -> None:
    below = read(PID, OBR, KREA.replace("NM", "SN").replace("|1.1|", "|<^0.2|").replace("^^UCUM", ""))
    (lab,) = (e for e in below.events if e.HasField("lab"))
    assert lab.lab.censoring == 2 and lab.lab.value.value == 0.2
    assert "read as UCUM" in below.notes[0].said


def test_escapes_repetitions_other_delimiters_and_null_are_understood() -> None:
    other = "MSH$%~\\&$LAB$WARD$TWIN$HOSP$20260301120000+0100$$ORU%R01$C1$P$2.5.1"
    block = "\r".join(
        (
            other,
            "PID$1$$7\\S\\7%%%HOSP%MR~99%%%X%PI",
            OBR.replace("^", "%").replace("|", "$"),
            KREA.replace("^", "%").replace("|", "$"),
        )
    )
    letter = read_message(parse(block.encode()), Options(Site(authority="HOSP")))
    assert labs(letter) == [("creatinine", 1.1, "mg/dL")]
    assert letter.patient.startswith("p-") and len(letter.patient) == 42  # 7^7 is no id of the service


def test_character_sets_are_honored_and_an_undeclared_one_is_not_guessed() -> None:
    umol = KREA.replace("mg/dL^^UCUM", "\u00b5mol/l")
    site = site_of({"id": "x", "schema": 1, "units": {"\u00b5mol/l": "umol/L"}}, "map")
    for name, codec in (("8859/1", "latin-1"), ("UNICODE UTF-8", "utf-8"), ("8859/15", "iso8859-15")):
        block = "\r".join((HEAD.format(kind="ORU^R01") + f"||||||{name}", PID, OBR, umol)).encode(codec)
        assert labs(read_message(parse(block), Options(site))) == [("creatinine", 1.1, "umol/L")]
    block = "\r".join((HEAD.format(kind="ORU^R01"), PID, OBR, umol)).encode("latin-1")
    with pytest.raises(RejectedError, match="names no character set"):
        parse(block)
    with pytest.raises(RejectedError, match="not known"):
        parse(block.replace(b"|2.5.1", b"|2.5.1||||||EBCDIC"))


def test_line_ends_of_files_and_lines_that_go_on_are_read() -> None:
    text = "\r\n".join((HEAD.format(kind="ORU^R01"), PID, OBR, KREA, "NTE|1||first", "and second line"))
    message = parse(text.encode())
    assert [s.name for s in message.segments] == ["MSH", "PID", "OBR", "OBX", "NTE"]
    assert "second" in message.segments[-1].text(3)


# Times


def test_times_without_zone_are_the_sites_or_the_messages_or_held() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    local = OBR.replace("+0100", "")
    at = [read(PID, local, KREA, site=Site(zone=berlin))]
    at.append(read(PID, local, KREA))  # by MSH-7
    assert {e.time.ToSeconds() for letter in at for e in letter.events if e.HasField("lab")} == {1772348400}
    assert "no time zone" in reasons(read(PID, local, KREA, head=HEAD.replace("+0100", "")))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("202610250230", "comes twice"),
        ("202603290230", "does not exist"),
        ("20260301", "no time of day"),
        ("", "missing"),
        ("202613010000", "no time of the calendar"),
        ("yesterday", "unreadable"),
    ],
)
def test_a_time_that_is_not_one_instant_is_held(text: str, why: str) -> None:
    with pytest.raises(HoldError, match=why):
        Clock(ZoneInfo("Europe/Berlin")).instant(text, "OBX-14")


def test_a_fraction_and_an_offset_are_kept() -> None:
    found = Clock(None).instant("20260301080000.25-0530", "x")
    assert found == datetime(2026, 3, 1, 13, 30, 0, 250000, tzinfo=UTC)


# Corrections


def test_a_correction_a_withdrawal_and_an_unobtainable_result_name_what_was_said_before() -> None:
    (first,) = (e for e in read(PID, OBR, KREA).events if e.HasField("lab"))
    amended = read(PID, OBR, KREA.replace("1.1", "1.4")[:-1] + "C")
    (second,) = (e for e in amended.events if e.HasField("lab"))
    assert second.id == first.id and amended.origins[second.id].is_corrected
    for status in ("W", "X", "D"):
        letter = read(PID, OBR, KREA[:-1] + status)
        (gone,) = (e for e in letter.events if e.HasField("retraction"))
        assert gone.retraction.target_event_id == first.id


def test_two_results_under_one_name_are_both_held_and_the_same_twice_is_one() -> None:
    assert "two results under one" in reasons(read(PID, OBR, KREA, KREA.replace("1.1", "1.2")))
    assert not labs(read(PID, OBR, KREA, KREA.replace("1.1", "1.2")))
    apart = read(PID, OBR, KREA, KREA.replace("||1.1", "|b|1.2"))
    assert sorted(v for _, v, _ in labs(apart)) == [1.1, 1.2]


# Drugs

ORC = "ORC|RE|O1^PHARM"
RXA = "RXA|0|1|20260301080000+0100|20260301090000+0100|11124^Vancomycin^RXNORM|1000|mg^^UCUM|||||||||||||CP|A"
RXR = "RXR|IV^Intravenous^HL70162"


def doses(letter: Letter) -> list[tuple[str, float, str, float]]:
    return [
        (e.dose.drug, e.dose.amount.value, e.dose.route, e.dose.duration.value)
        for e in letter.events
        if e.HasField("dose")
    ]


def test_an_administration_is_a_dose_and_what_was_not_given_is_none() -> None:
    assert doses(read(PID, ORC, RXA, RXR, kind="RAS^O17")) == [("vancomycin", 1000.0, "iv", 1.0)]
    assert doses(read(PID, ORC, RXA.replace("|CP|", "|RE|"), RXR, kind="RAS^O17")) == []
    assert "may not all" in reasons(read(PID, ORC, RXA.replace("|CP|", "|PA|"), RXR, kind="RAS^O17"))
    assert "not known" in reasons(read(PID, ORC, RXA.replace("|1000|", "|999|"), RXR, kind="RAS^O17"))
    assert "route" in reasons(read(PID, ORC, RXA, kind="RAS^O17"))
    gone = read(PID, ORC, RXA[:-1] + "D", RXR, kind="RAS^O17")
    assert [e.WhichOneof("payload") for e in gone.events if not e.HasField("covariate")] == ["retraction"]


def test_products_are_resolved_as_in_fhir() -> None:
    vial = RXA.replace("11124^Vancomycin^RXNORM|1000|mg^^UCUM", "1807513^vancomycin 1000 MG Injection^RXNORM|2|VIAL")
    assert doses(read(PID, ORC, vial, RXR, kind="RAS^O17")) == [("vancomycin", 2000.0, "iv", 1.0)]


def test_an_order_is_a_dose_only_when_orders_are_trusted_and_then_nothing_is_counted_twice() -> None:
    order = (
        "ORC|NW|O1^PHARM",
        "RXE||11124^Vancomycin^RXNORM|1000||mg^^UCUM",
        "TQ1|1||Q12H||||20260301080000+0100|20260303080000+0100",
        RXR,
    )
    assert "order is not a dose" in reasons(read(PID, *order, kind="RDE^O11"))
    trusted = read(PID, *order, kind="RDE^O11", trust_requests=True)
    assert [(d, a) for d, a, _, _ in doses(trusted)] == [("vancomycin", 1000.0)] * 4
    assert "count twice" in reasons(read(PID, ORC, RXA, RXR, kind="RAS^O17", trust_requests=True))


# Who, and what is no message


def test_the_patient_is_named_by_the_sites_authority_and_never_guessed() -> None:
    two = "PID|1||1^^^A^PI~2^^^B^PI||Doe"
    assert read(two, OBR, KREA, site=Site(authority="B")).patient == "2"
    with pytest.raises(RejectedError, match="which identifier"):
        read(two, OBR, KREA)
    with pytest.raises(RejectedError, match="names no patient"):
        read(OBR, KREA)
    merge = read(PID, kind="ADT^A40")
    assert not merge.events and "which patient is which" in reasons(merge)


@pytest.mark.parametrize(
    ("head", "code"),
    [
        (HEAD.replace("|P|", "|T|"), "202"),
        (HEAD.replace("2.5.1", "3.0"), "203"),
        (HEAD.replace("{kind}", "MDM^T02"), "200"),
        (HEAD.replace("{kind}", "ORU^W01"), "201"),
        (HEAD.replace("|C1|", "||"), "101"),
        ("MSH|^~\\\\&|A", "102"),
        ("FHS|^~\\&|A", "101"),
        ("", "101"),
    ],
)
def test_a_message_that_is_not_for_this_listener_is_refused_with_its_code(head: str, code: str) -> None:
    with pytest.raises(RejectedError) as told:
        read(PID, OBR, KREA, head=head)
    assert told.value.code[0] == code


def test_the_answer_names_the_message_the_place_and_the_remedy() -> None:
    block = "\r".join((HEAD.format(kind="ORU^R01"), PID)).encode()
    held = [Held("OBX[2]", "its code | is ^ odd", "map it")]
    text = acknowledgement(block, "AA", datetime(2026, 3, 1, tzinfo=UTC), held=held).decode()
    lines = text.split("\r")
    assert lines[0].startswith("MSH|^~\\&|TWIN|HOSP|LAB|WARD|20260301000000+0000||ACK^R01^ACK|C1|P|2.5.1")
    assert lines[1] == "MSA|AA|C1" and lines[2].startswith("ERR||OBX^2|207^") and "\\F\\ is \\S\\ odd" in lines[2]
    assert acknowledgement(b"junk", "AR", datetime(2026, 3, 1, tzinfo=UTC)).count(b"\r") == 2


def test_shared_messages_are_read_or_refused_by_name(reference_dir: Path) -> None:
    """None raises anything else; the specification's own two with a doubled escape are refused at MSH-2."""
    seen = {}
    for path in sorted((reference_dir / "ehr" / "hl7v2").iterdir()):
        if path.suffix == ".json":
            continue
        try:
            message = parse(path.read_bytes())
            check_header(message, accept_tests=True)
            seen[path.name] = len(read_message(message, Options(Site(zone=ZoneInfo("UTC")))).held)
        except RejectedError as error:
            seen[path.name] = -int(error.code[0])
    assert seen["sample_unix.hl7"] == seen["sample_win.hl7"] == -102 and seen["MDM_T02.txt"] in (-200, -102)
    assert seen["oc_0001.hl7"] > 0 and seen["ORU-multiline-short.hl7"] > 0
