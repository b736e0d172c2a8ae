"""Mean-field dynamics of self-attention over 1-bit tokens (Poc-López and Aguilera, arXiv 2406.07247)."""

from mfattn.meanfield.classes import FIELDS, ColumnClasses, classes_from_columns, classes_from_correlations
from mfattn.meanfield.lyapunov import MapTangents, Spectrum, Tangents, kaplan_yorke, spectrum
from mfattn.meanfield.model import Context, Fields, Model, Orbit
from mfattn.meanfield.orbits import Orbits, orbit
from mfattn.meanfield.regimes import Regime
from mfattn.meanfield.starts import context_from_pattern, context_from_token, prompt_token
from mfattn.meanfield.weights import (
    Weights,
    assigned_weights,
    gaussian_weights,
    position_codes,
    product_weights,
    random_weights,
    segmented_weights,
)

__all__ = [
    "FIELDS",
    "ColumnClasses",
    "Context",
    "Fields",
    "MapTangents",
    "Model",
    "Orbit",
    "Orbits",
    "Regime",
    "Spectrum",
    "Tangents",
    "Weights",
    "assigned_weights",
    "classes_from_columns",
    "classes_from_correlations",
    "context_from_pattern",
    "context_from_token",
    "gaussian_weights",
    "kaplan_yorke",
    "orbit",
    "position_codes",
    "product_weights",
    "prompt_token",
    "random_weights",
    "segmented_weights",
    "spectrum",
]
