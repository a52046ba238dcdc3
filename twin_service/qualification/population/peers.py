"""A peer on the same machine in the same run: nlme of R (Lindstrom & Bates 1990), which approximates as FOCE does.

R and r-cran-nlme come from Debian (`apt-get install r-base-core r-cran-nlme`). nlmixr2 and saemix are not in Debian 12.
Times that others published are quoted as such in the README, not mixed with these.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

SCRIPT = """
suppressMessages(library(nlme))
d <- read.csv(commandArgs(TRUE)[1]); names(d) <- toupper(names(d))
dose <- tapply(d$AMT, d$ID, max); o <- d[d$EVID == 0, ]; o$DOSE <- dose[as.character(o$ID)]
f <- function(DOSE, TIME, lka, lcl, lv) { ka <- exp(lka); k <- exp(lcl - lv)
  DOSE * ka / exp(lv) / (ka - k) * (exp(-k * TIME) - exp(-ka * TIME)) }
g <- groupedData(DV ~ TIME | ID, o)
fit <- function() nlme(DV ~ f(DOSE, TIME, lka, lcl, lv), data = g, fixed = lka + lcl + lv ~ 1,
  random = pdDiag(lka + lcl + lv ~ 1), start = log(c(0.5, 8, 80) * c(2, 0.4, 0.5)), method = "ML",
  control = nlmeControl(maxIter = 200, returnObject = TRUE))
best <- Inf
for (i in 1:5) { t <- system.time(m <- fit()); best <- min(best, t[["elapsed"]]) }
cat(best, -2 * as.numeric(logLik(m)) - nrow(o) * log(2 * pi), exp(fixef(m)), "\\n")
"""


def peer_figures(reference: Path, report: Callable[[str], None], ours: Mapping[str, float]) -> dict[str, float]:
    """population.nlme_theo_s and how many times faster ours is; nothing where R or nlme is absent."""
    rscript = shutil.which("Rscript")
    if rscript is None:
        report("no peer here: Rscript is absent (Debian: r-base-core, r-cran-nlme)")
        return {}
    table = reference / "mipd" / "real" / "nlmixr2data_theo_sd.csv"
    done = subprocess.run([rscript, "-e", SCRIPT, str(table)], capture_output=True, text=True, timeout=600, check=False)
    if done.returncode:
        report(f"the peer failed: {done.stderr.strip().splitlines()[-1] if done.stderr.strip() else 'no message'}")
        return {}
    seconds, objective = (float(v) for v in done.stdout.split()[:2])
    report(f"nlme (R): {seconds:.3f} s, -2 ln L {objective:.3f} from a start 2 to 2.5 times nearer than ours")
    ratio = seconds / ours["population.theo_focei_s"]
    return {"population.nlme_theo_s": seconds, "population.nlme_objective": objective, "population.theo_ratio": ratio}
