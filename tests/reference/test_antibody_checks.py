"""Every antibody against the published figures of its check file; one of them has a target."""

from __future__ import annotations

from twin_service.model.pbpk.antibody import antibody_files, read_antibody
from twin_service.qualification.pbpk.antibodies import check_antibodies


def test_antibodies_meet_their_published_studies() -> None:
    found = check_antibodies()
    assert {f.drug for f in found} == set(antibody_files())
    wrong = [f"{f.study} {f.measure}: {f.got:.4g}, published {f.expected:.4g}" for f in found if not f.ok]
    assert not wrong, "\n".join(wrong)


def test_one_may_be_asked_for_and_one_has_a_target() -> None:
    assert {f.drug for f in check_antibodies({"denosumab", "midazolam"})} == {"denosumab"}
    assert read_antibody(antibody_files()["denosumab"])["target.baseline"] > 0
