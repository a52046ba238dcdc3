"""Contrasts of a repeated-measurements fit: standard errors and degrees of freedom as SAS PROC MIXED prints them.

    model          se^2 = l' C l
    kenward_roger  se^2 = l' (C + 2 Lambda) l, the linear form: second derivatives of V are left out
    empirical      C [sum X' W A r r' A' W X] C with A = I (CR0), (I - H)^-1/2 (CR2), (I - H)^-1 (CR3)

    satterthwaite  df = 2 (l'Cl)^2 / (g' cov(theta) g),  g = d(l'Cl)/d theta; Kenward-Roger's is the same
                   in one dimension
    empirical      CR0: patients less the rank of X; CR2 and CR3: Bell-McCaffrey under the fitted covariance

Fai & Cornelius 1996, doi:10.1080/00949659608811740; Kenward & Roger 1997, doi:10.2307/2533558; Bell & McCaffrey 2002;
Pustejovsky & Tipton 2018, doi:10.1080/07350015.2016.1247004
"""

from __future__ import annotations

import enum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from twin_service.trial.adjust.mmrm.fit import RepeatedFit
from twin_service.trial.adjust.mmrm.likelihood import information_slopes

FloatArray = NDArray[np.float64]


class Inference(enum.Enum):
    SATTERTHWAITE = "satterthwaite"
    KENWARD_ROGER = "kenward_roger"
    CR0 = "empirical"
    CR2 = "empirical_bias_reduced"
    CR3 = "empirical_jackknife"


class Contrast(NamedTuple):
    estimate: float
    se: float
    df: float


class Contrasts:
    """Prepared once for a fit; `of(l)` answers for each row of coefficients l (p,)."""

    def __init__(self, fit: RepeatedFit, inference: Inference = Inference.SATTERTHWAITE) -> None:
        self._fit, self._inference = fit, inference
        self._J = fit.structure.slopes(fit.theta)
        self._root = _Robust(fit, inference) if inference.value.startswith("empirical") else None
        self._cov = fit.beta_cov
        if inference is Inference.KENWARD_ROGER:
            self._cov = fit.beta_cov + 2 * _bias(fit, self._J)
        elif self._root is not None:
            self._cov = self._root.cov

    @property
    def beta_cov(self) -> FloatArray:
        return self._cov

    def of(self, weights: FloatArray) -> Contrast:
        se = float(np.sqrt(weights @ self._cov @ weights))
        df = self._satterthwaite(weights) if self._root is None else self._root.df(weights)
        return Contrast(float(weights @ self._fit.beta), se, df)

    def _satterthwaite(self, weights: FloatArray) -> float:
        fit = self._fit
        c = fit.beta_cov @ weights
        v = fit.state.WX @ c
        change = np.einsum("qab,ab->q", self._J, v.T @ v)
        spread = float(change @ fit.theta_cov @ change)
        return 2 * float(weights @ c) ** 2 / spread if spread > 0 else np.inf


def _bias(fit: RepeatedFit, J: FloatArray) -> FloatArray:
    """Lambda (p, p): what plugging in the estimated covariance hides."""
    at, data = fit.state, fit.data
    C = at.C
    p = len(C)
    S = np.einsum("qab,qr,rcd->abcd", J, fit.theta_cov, J, optimize=True)
    M = np.einsum("abcd,gbc->gad", S, at.W, optimize=True)
    MWX = np.einsum("nad,ndp->nap", M[data.pattern], at.WX, optimize=True)
    Q = at.WX.reshape(-1, p).T @ MWX.reshape(-1, p)
    A = np.einsum("qab,abij->qij", J, information_slopes(at), optimize=True)
    PCP = np.einsum("qr,qij,jk,rkl->il", fit.theta_cov, A, C, A, optimize=True)
    return np.asarray(C @ (Q - PCP) @ C)


class _Robust:
    """The sandwich, one patient a cluster, in coordinates where the fitted covariance is the identity."""

    def __init__(self, fit: RepeatedFit, inference: Inference) -> None:
        at, data = fit.state, fit.data
        power = {Inference.CR0: 0.0, Inference.CR2: -0.5, Inference.CR3: -1.0}[inference]
        self._C, self._plain, self._n = at.C, power == 0.0, len(data.y)
        values, vectors = np.linalg.eigh(at.W)
        half = (vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :]) @ vectors.swapaxes(1, 2)
        root = half[data.pattern]
        X, e = root @ data.X, np.einsum("nab,nb->na", root, at.r)
        if power:
            hat = X @ at.C @ X.swapaxes(1, 2)
            values, vectors = np.linalg.eigh(np.eye(X.shape[1]) - hat)
            adjust = (vectors * np.maximum(values, 1e-10)[:, None, :] ** power) @ vectors.swapaxes(1, 2)
            self._AX = adjust @ X
            e = np.einsum("nab,nb->na", adjust, e)
        else:
            self._AX = X
        self._X = X
        scores = np.einsum("nap,na->np", X, e)
        self.cov = np.asarray(at.C @ (scores.T @ scores) @ at.C)

    def df(self, weights: FloatArray) -> float:
        if self._plain:
            return float(self._n - len(self._C))
        a = self._AX @ (self._C @ weights)
        B = np.einsum("nap,na->np", self._X, a)
        G = np.diag(np.sum(a * a, axis=1)) - B @ self._C @ B.T
        return float(np.trace(G) ** 2 / np.sum(G * G))
