"""The collapse profile and the early warning: numbers of a lineage in, verdicts out; nothing here reads a file."""

from __future__ import annotations

from dwindle.profile.bands import ALPHA, PERSISTENCE, Band, control_band
from dwindle.profile.early_warning import Forecast, forecast
from dwindle.profile.extinction import Extinction, extinction
from dwindle.profile.passage import Passage, passage
from dwindle.profile.phases import Phase, phase_of
from dwindle.profile.profiles import Profile, profile_of
from dwindle.profile.sources_of_error import ARMS, Share, sources_of_error
from dwindle.profile.thresholds import Thresholds
from dwindle.profile.trajectories import Trajectories, Trajectory
from dwindle.profile.verdicts import CANDIDATES, DEFINITIONS, Verdict

__all__ = [
    "ALPHA",
    "ARMS",
    "CANDIDATES",
    "DEFINITIONS",
    "PERSISTENCE",
    "Band",
    "Extinction",
    "Forecast",
    "Passage",
    "Phase",
    "Profile",
    "Share",
    "Thresholds",
    "Trajectories",
    "Trajectory",
    "Verdict",
    "control_band",
    "extinction",
    "forecast",
    "passage",
    "phase_of",
    "profile_of",
    "sources_of_error",
]
