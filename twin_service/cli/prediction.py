"""`twin predict`: what a drug does in a person or a population; words of the command line become plans."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from twin_service.cli.figures import Json, Out, write_figures
from twin_service.outcome import Refusal, RefusalCode

if TYPE_CHECKING:
    from twin_service.fit.predict.plan import DosePlan

_WORDS = {
    "dose": "dose_mg",
    "route": "route",
    "every": "interval_h",
    "count": "count",
    "over": "duration_h",
    "start": "start_h",
    "form": "formulation",
    "loading": "loading_mg",
}


def predict(
    drug: Annotated[str, typer.Argument(help="A drug or antibody file (TOML) or the id of a library drug.")],
    *,
    dose: Annotated[float, typer.Option(help="Each dose, mg.")],
    route: Annotated[str, typer.Option(help="oral, oral_solution, iv, sc or im.")] = "oral",
    every: Annotated[float, typer.Option(help="Interval between doses, h.")] = 24.0,
    count: Annotated[int, typer.Option(help="Number of doses.")] = 1,
    over: Annotated[float, typer.Option(help="Length of each infusion, h; 0: a bolus.")] = 0.0,
    start: Annotated[float, typer.Option(help="Time of the first dose, h (with another drug beside it).")] = 0.0,
    loading: Annotated[float, typer.Option(help="The first dose where it differs, mg.")] = 0.0,
    steady: Annotated[bool, typer.Option("--steady", help="Begin at the steady state of these doses.")] = False,
    miss: Annotated[list[int] | None, typer.Option(help="A dose not taken, counted from 1; repeatable.")] = None,
    meal: Annotated[list[float] | None, typer.Option(help="Time of a meal that empties the gallbladder, h.")] = None,
    form: Annotated[str, typer.Option(help="Dosage form, one of the file's formulations.")] = "",
    fed: Annotated[bool, typer.Option("--fed", help="After a meal: slower emptying, less acid, more bile.")] = False,
    beside: Annotated[
        list[str] | None,
        typer.Option("--with", help="Another drug: 'ID or FILE,dose=200,every=24,count=7,start=0,route=oral'."),
    ] = None,
    organ: Annotated[list[str] | None, typer.Option(help="A tissue whose course is wanted too: brain.")] = None,
    horizon: Annotated[float, typer.Option(help="How long to look, h; 0: until it is gone.")] = 0.0,
    times: Annotated[str, typer.Option(help="Report the course at these times, h: '0.5,1,2,4'.")] = "",
    population: Annotated[int, typer.Option(help="People to simulate; 0: the typical one.")] = 0,
    vary: Annotated[list[str] | None, typer.Option(help="Range over the population: age_y=20:60.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the population.")] = 1,
    person: Annotated[
        list[str] | None,
        typer.Option(
            help="A characteristic: age_y=70, weight_kg=60, sex=female, ckd=3a, egfr_ml_min=30, child_pugh=2 ..."
        ),
    ] = None,
    species: Annotated[str, typer.Option(help="Whose body: human, mouse, rat, rabbit, dog or monkey.")] = "human",
    genotype: Annotated[list[str] | None, typer.Option(help="CYP2D6=poor, or a score: CYP2C9=1.")] = None,
    data: Annotated[
        Path | None, typer.Option(help="Own levels to compare (CSV: time_h, value, unit, study, blq).")
    ] = None,
    json_file: Json = None,
    out: Out = None,
) -> None:
    """Exposure of a drug, your own or the library's, in one person or a population, alone or with others."""
    from twin_service.fit.predict.predict import DosePlan, with_data
    from twin_service.fit.predict.predict import predict as run

    plan = DosePlan(
        dose,
        route,
        every,
        count,
        over,
        form,
        horizon,
        population,
        seed,
        start,
        loading,
        tuple(miss or ()),
        tuple(meal or ()),
        steady,
    )
    said = _person(person or [], genotype or []) | ({"fed": 1.0} if fed else {})
    ranges = dict(_range(v) for v in vary or [])
    others = [_other(text) for text in beside or []]
    at = [_number(t, "times") for t in times.split(",")] if times else None
    found = run(drug, plan, said, others=others, ranges=ranges, times_h=at, organs=organ or [], species=species)
    if data is not None:
        if others or population or species != "human":
            raise _refuse(
                "data", "is compared with a typical person on the drug alone; leave out --with, --population, --species"
            )
        beside_data = with_data(drug, plan, said, data)
        found["figures"] |= beside_data["figures"]
        found["observed"] = beside_data["observed"]
        found["warnings"] += beside_data["warnings"]
    for line in found["warnings"]:
        typer.echo(f"note: {line}", err=True)
    if out is not None:
        from twin_service.fit.predict.page import write_prediction

        typer.echo(f"report written to {write_prediction(found, plan, out)}")
    write_figures(found.pop("figures"), json_file, **found)


def _person(pairs: list[str], genotypes: list[str]) -> dict[str, float]:
    from twin_service.fit.predict.people import CKD_EGFR, genotype_covariate
    from twin_service.model.pbpk.library import load_library

    found: dict[str, float] = {}
    for text in pairs:
        name, value = _pair(text, "person")
        if name == "sex":
            if value not in ("male", "female"):
                raise _refuse("person", f"sex {value!r} is unknown; write sex=male or sex=female")
            found["sex_female"] = float(value == "female")
        elif name == "ckd":
            if value not in CKD_EGFR:
                raise _refuse("person", f"ckd stage {value!r} is unknown; known: {', '.join(CKD_EGFR)}")
            found["egfr_ml_min"] = CKD_EGFR[value]
        elif value in ("yes", "no"):
            found[name] = float(value == "yes")
        else:
            found[name] = _number(value, name)
    return found | dict(genotype_covariate(g, load_library()) for g in genotypes)


def _other(text: str) -> tuple[str, DosePlan]:
    """`ID,dose=200,every=24` as (id, Plan)."""
    from twin_service.fit.predict.plan import DosePlan

    name, *pairs = [p.strip() for p in text.split(",")]
    said: dict[str, float | int | str] = {}
    for pair in pairs:
        key, value = _pair(pair, "with")
        if key not in _WORDS:
            raise _refuse("with", f"{key!r} is unknown; known: {', '.join(_WORDS)}")
        field = _WORDS[key]
        number = value if field in ("route", "formulation") else _number(value, f"with {key}")
        said[field] = int(number) if field == "count" else number
    if "dose_mg" not in said:
        raise _refuse("with", f"{name}: dose is missing; write '{name},dose=200' (mg)")
    return name, DosePlan(**said)  # type: ignore[arg-type]


def _range(text: str) -> tuple[str, tuple[float, float]]:
    name, value = _pair(text, "vary")
    low, sign, high = value.partition(":")
    if not sign:
        raise _refuse("vary", f"{text!r} is no range; write {name}=low:high")
    span = (_number(low, name), _number(high, name))
    if span[0] > span[1]:
        raise _refuse("vary", f"{text!r} runs downwards; write {name}=low:high")
    return name, span


def _pair(text: str, field: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign or not name.strip() or not value.strip():
        raise _refuse(field, f"{text!r} is no name=value")
    return name.strip(), value.strip()


def _number(text: str, field: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise _refuse(field, f"{text!r} is no number") from None


def _refuse(field: str, message: str) -> Refusal:
    return Refusal(RefusalCode.INVALID, message, field=field, reason="BAD_ARGUMENT")
