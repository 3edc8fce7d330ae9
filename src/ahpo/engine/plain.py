"""`optimize` as plain code calls it: in the calling thread if it can, else on a loop of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ahpo.engine.gate import Gate
from ahpo.engine.inline import optimize_inline
from ahpo.engine.options import Options

if TYPE_CHECKING:
    from ahpo.engine.session import Session

__all__ = ("optimize_from_plain_code",)


def optimize_from_plain_code(session: Session, options: Options) -> None:
    """Run the trials, in the calling thread if they can run there, and return when they have ended.

    Ctrl-C and SIGTERM reach the main thread. If that is the calling one, they end the trials, which
    are finished when the exception is raised. A second one does not wait for a storage to answer.
    """
    gate = Gate()
    with gate.installed():
        goes_on = None
        if options.fits_in_place():
            gate.may_insist = session.store.waits
            goes_on = optimize_inline(session, options, gate)
            if goes_on is None:
                return
        gate.may_insist = False  # there it is heard otherwise
        # Imported when needed: asyncio takes longer to import than all of this package.
        from ahpo.engine.loop_thread import optimize_in_loop_thread

        error = optimize_in_loop_thread(session, options, goes_on, gate)
    if error is not None:
        raise error
