"""A simulator outside dwindle, in one file: a thrown ball's distance and time, and whether it cleared the wall."""

from __future__ import annotations

import numpy as np


def throws(count, generator, *, wall=1.0):
    angle = generator.uniform(0.2, 1.3, count)
    speed = 3.0 + 0.2 * generator.standard_normal(count)
    time = 2.0 * speed * np.sin(angle) / 9.81
    return np.column_stack([speed * np.cos(angle) * time, time]), (time > wall).astype(int)
