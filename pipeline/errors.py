"""Which errors are the user's to mend, and which are the machine's."""

from pipeline.cluster import AddressError, ClusterError
from pipeline.config import ConfigError
from pipeline.datasets.folder import FolderError
from pipeline.engines import EngineStartError
from pipeline.problems import ProblemError
from pipeline.verify_file import RowError

USER_MISTAKES = (AddressError, ConfigError, EngineStartError, FolderError, ProblemError, RowError)
"""Bad input: one line, exit status 2."""
FAILURES = (ClusterError,)
"""What broke on the way: one line, exit status 1."""
