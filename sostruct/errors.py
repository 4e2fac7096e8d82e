"""Errors a user can act on.

Every refusal in sostruct is a `SostructError` whose message reads "Cannot X. This is because Y. Try Z" and names
the user's own nodes, columns or settings. The command line prints that message alone and exits with code 2;
anything else that is raised is a defect of ours and keeps its traceback.
"""


class SostructError(ValueError):
    """Base of every error caused by what was handed in rather than by a defect."""


class GraphError(SostructError):
    """A graph that does not follow the schema, or an edit that does not fit its graph."""


class DataError(SostructError):
    """A series that cannot be used as it stands."""


class ConfigError(SostructError):
    """A setting that does not exist, does not fit, or is not allowed."""


class RunError(SostructError):
    """A run folder that cannot be written, read or resumed."""


class BeliefError(SostructError):
    """A filter or a sample that left the numbers there are: it broke down at some node and step."""


class DataWarning(UserWarning):
    """Something about a series that may mislead, and what to do about it: work goes on.

    `warnings.simplefilter("ignore", sostruct.DataWarning)` silences them, "error" makes refusals of them.
    """


class FitWarning(UserWarning):
    """A fit whose numbers are not what they seem, for whom and why: work goes on.

    `warnings.simplefilter("error", sostruct.FitWarning)` makes refusals of them.
    """
