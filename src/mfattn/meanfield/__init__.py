"""Mean-field dynamics of self-attention over 1-bit tokens (Poc-López and Aguilera, arXiv 2406.07247)."""

from mfattn.meanfield.classes import (
    FIELDS,
    ColumnClasses,
    Columns,
    classes_from_columns,
    classes_from_correlations,
    joint_classes,
)
from mfattn.meanfield.lyapunov import MapTangents, Spectrum, Tangents, kaplan_yorke, spectrum
from mfattn.meanfield.model import Context, Fields, Model, Orbit
from mfattn.meanfield.network import (
    DenseNetwork,
    DrawnContext,
    FiniteNetwork,
    context_after_prompt,
    share_of_equal_bits,
    streams,
)
from mfattn.meanfield.orbits import Orbits, orbit
from mfattn.meanfield.regimes import Regime
from mfattn.meanfield.starts import (
    context_from_pattern,
    context_from_token,
    pattern_fields,
    prompt_token,
    token_fields,
)
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
    "Columns",
    "Context",
    "DenseNetwork",
    "DrawnContext",
    "Fields",
    "FiniteNetwork",
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
    "context_after_prompt",
    "context_from_pattern",
    "context_from_token",
    "gaussian_weights",
    "joint_classes",
    "kaplan_yorke",
    "orbit",
    "pattern_fields",
    "position_codes",
    "product_weights",
    "prompt_token",
    "random_weights",
    "segmented_weights",
    "share_of_equal_bits",
    "spectrum",
    "streams",
    "token_fields",
]
