"""The nouns of the PBPK library: drugs, species, enzymes and genotypes as read from TOML, in bench units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol

from twin_service.model.domain import DomainSpan
from twin_service.model.pbpk.clearance import Clearance
from twin_service.model.pbpk.dosage import Absorption, Formulation
from twin_service.model.pbpk.enzyme_action import Interaction

PARTITION_METHODS: Final = ("rodgers_rowland", "poulin_theil", "berezhkovskiy", "schmitt", "pksim_standard")
CHARGES: Final = ("acid", "base")


@dataclass(frozen=True)
class Pka:
    charge: str
    value: float


@dataclass(frozen=True)
class DrugVariability:
    """A random effect of a drug: `on` is clint, distribution, permeability, gastric_emptying or renal."""

    on: str
    cv: float
    origin: str
    occasion: bool = False


@dataclass(frozen=True)
class TherapeuticRange:
    """A therapeutic range of the drug's level in mg/L: toxic above `high`, without effect below `low`."""

    low: float | None
    high: float | None
    measure: str
    origin: str


@dataclass(frozen=True)
class AnimalValues:
    """What a file says of one species; None: as in man."""

    fup: float | None = None
    bp: float | None = None
    vss_l_kg: float | None = None
    ways: tuple[Clearance, ...] = ()


@dataclass(frozen=True)
class DrugRecord:
    """One drug file, in bench units (h, L, umol, kg; permeability cm/h, molar mass g/mol)."""

    id: str
    version: str
    title: str
    molar_mass: float
    logp: float
    fup: float
    bp: float | None
    pka: tuple[Pka, ...] = ()
    binding: str = "albumin"
    method: str = "rodgers_rowland"
    kp_scalar: float = 1.0
    vss_l_kg: float | None = None
    kp: Mapping[str, float] = field(default_factory=dict)
    permeability: Mapping[str, float] = field(default_factory=dict)
    clearances: tuple[Clearance, ...] = ()
    gfr_fraction: float = 1.0
    interactions: tuple[Interaction, ...] = ()
    absorption: Absorption = field(default_factory=Absorption)
    formulations: tuple[Formulation, ...] = (Formulation("solution", "solution"),)
    variability: tuple[DrugVariability, ...] = ()
    error_proportional: float = 0.15
    error_additive: float = 0.0
    windows: tuple[TherapeuticRange, ...] = ()
    domain: Mapping[str, DomainSpan] = field(default_factory=dict)
    assumed: tuple[str, ...] = ()
    atc: str = ""
    animals: Mapping[str, AnimalValues] = field(default_factory=dict)
    home: str = "human"  # the species to whose body the clearances of whole organs belong

    @property
    def umol_per_mg(self) -> float:
        return 1000.0 / self.molar_mass

    @property
    def charge(self) -> str:
        """neutral | acid | base | zwitterion at pH 7.4; a base counts from pKa 7, an acid below pKa 8."""
        base = any(p.charge == "base" and p.value >= 7 for p in self.pka)
        acid = any(p.charge == "acid" and p.value <= 8 for p in self.pka)
        return "zwitterion" if base and acid else "base" if base else "acid" if acid else "neutral"


@dataclass(frozen=True)
class Organ:
    """A species' organ: masses by age (kg, without blood) or body-weight fraction, blood and flow shares."""

    id: str
    drains_to: str
    composition: str
    mass_male: tuple[float, ...] = ()
    mass_female: tuple[float, ...] = ()
    blood_share: float = 0.0
    flow_male: float = 0.0
    flow_female: float = 0.0
    height_exponent: float = 0.75
    closes: bool = False


@dataclass(frozen=True)
class Composition:
    """Volume fractions of tissue wet weight; acidic phospholipid in mg/g."""

    extracellular_water: float = 0.0
    intracellular_water: float = 0.0
    neutral_lipid: float = 0.0
    neutral_phospholipid: float = 0.0
    acidic_phospholipid_mg_g: float = 0.0
    albumin_ratio: float = 0.0
    lipoprotein_ratio: float = 0.0
    neutral_lipid_pt: float = 0.0
    phospholipid_pt: float = 0.0
    water_pt: float = 0.0
    lipid: float = 0.0
    protein: float = 0.0
    water: float = 0.0


@dataclass(frozen=True)
class SpeciesRecord:
    """A species file. `body` holds series over `ages_y` (one value where age plays no part); `variability` the
    coefficient of variation of a characteristic between people of one age and sex."""

    id: str
    version: str
    title: str
    ages_y: tuple[float, ...]
    body: Mapping[str, tuple[float, ...]]
    organs: tuple[Organ, ...]
    composition: Mapping[str, Composition]
    domain: Mapping[str, DomainSpan] = field(default_factory=dict)
    variability: Mapping[str, float] = field(default_factory=dict)

    @property
    def organ_ids(self) -> tuple[str, ...]:
        return tuple(o.id for o in self.organs)


class Maturation(NamedTuple):
    """Activity per protein relative to the adult: at birth, highest in childhood, age at half (years), Hill, and the
    age (years) from which an excess over the adult fades. Ages count from birth, or since the mother's last period."""

    birth: float = 1.0
    peak: float = 1.0
    half_y: float = 0.1
    hill: float = 1.0
    cap_y: float = 2.0
    postmenstrual: bool = False


@dataclass(frozen=True)
class Enzyme:
    """An enzyme or transporter: abundance, turnover and maturation.

    liver_pmol_mg   pmol per mg microsomal protein (0: not expressed or unknown)
    gut_nmol        nmol in the whole small intestine
    kdeg_liver/gut  1/h
    *maturation     in the liver, the gut wall and the kidney; the kidney's is None where it is not known
    """

    id: str
    kind: str
    liver_pmol_mg: float
    gut_nmol: float
    kdeg_liver: float
    kdeg_gut: float
    maturation: Maturation
    gut_maturation: Maturation
    cv: float
    genotype: str = ""
    kidney_maturation: Maturation | None = None


@dataclass(frozen=True)
class Genotype:
    """A gene whose activity score scales an enzyme: score -> relative activity (1 = the typical population mean)."""

    gene: str
    enzyme: str
    activity: Mapping[str, float]
    frequencies: Mapping[str, float]


class SharedRecords(Protocol):
    """What every drug's body is built from; `library.Library` holds it beside the drugs' files."""

    @property
    def species(self) -> Mapping[str, SpeciesRecord]: ...

    @property
    def enzymes(self) -> Mapping[str, Enzyme]: ...
