"""The one place where errors of the package become lines on stderr and an exit code."""

from typing import Any

import typer
from typer.core import TyperGroup

from mep_neuro.cli.output import first_process, print_errors
from mep_neuro.errors import MepNeuroError, SettleError

INTERRUPTED = 130  # 128 + SIGINT, as shells report it
USER_MISTAKE = 2


class Verbs(TyperGroup):
    """The group of all verbs; it runs one of them and translates its errors."""

    def invoke(self, ctx: Any) -> Any:
        """Run the verb.

        Raises:
            typer.Exit: With the exit code of the error that was printed.
        """
        try:
            return super().invoke(ctx)
        except MepNeuroError as error:
            if first_process() or isinstance(error, SettleError):  # of other mistakes all processes know
                print_errors(str(error))
            raise typer.Exit(error.exit_code) from None
        except KeyboardInterrupt:
            print_errors("interrupted")
            raise typer.Exit(INTERRUPTED) from None
        except OSError as error:
            if error.filename is None:  # a closed pipe, or a defect of ours
                raise
            print_errors(f"{error.filename}: {error.strerror}; check the path and its permissions")
            raise typer.Exit(USER_MISTAKE) from None
