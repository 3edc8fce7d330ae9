"""The check that a parameter keeps its kind of distribution throughout the study."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain

from ahpo.distributions import BaseDistribution
from ahpo.history.facts import ParamSet
from ahpo.storages.exchange import Create, Request, Seen, Write
from ahpo.storages.sql.dialect import Dialect
from ahpo.storages.sql.rows import distribution_of, text_of
from ahpo.storages.sql.statements import Plan
from ahpo.trials.checks import check_keeps_kind

__all__ = ("Kinds", "new_names", "read_kinds")


def new_names(request: Request) -> set[str]:
    """Return the names of the parameters to be written that the study is not known to have."""
    known = request.seen.names
    found: set[str] = set()
    for op in request.ops:
        if isinstance(op, Write):
            if isinstance(op.fact, ParamSet) and op.fact.name not in known:
                found.add(op.fact.name)
        elif isinstance(op, Create):
            for trial in op.trials:
                found.update(name for name in trial.distributions if name not in known)
    return found


def read_kinds(
    dialect: Dialect, study_id: int, seen: Seen, names: Iterable[str]
) -> Plan[dict[str, BaseDistribution]]:
    """Read one distribution of each of these parameters, where the study has one.

    They are new to the store: so only what it has not seen can have them, which are the trials
    after the last one that it knows, and those that others have not finished.
    """
    found = {}
    others = [*seen.running, *seen.waiting]
    for name in sorted(names):
        sql = (
            "SELECT distribution_json FROM trial_params JOIN trials USING (trial_id) "
            "WHERE study_id = ? AND trial_id > ? AND param_name = ?"
        )
        args = [study_id, seen.last_id, name]
        if others:
            within, ids = dialect.within(others)
            sql += (
                " UNION ALL SELECT distribution_json FROM trial_params "
                f"WHERE trial_id{within} AND param_name = ?"
            )
            args += [*ids, name]
        rows = yield dialect.fetch(sql + " LIMIT 1", *args)
        if rows:
            found[name] = distribution_of(rows[0][0])
    return found


class Kinds:
    """Know one distribution of each parameter that is new to the store.

    :param found: those that the study has already
    """

    def __init__(self, seen: Seen, found: Mapping[str, BaseDistribution]) -> None:
        self._checked = seen.names
        self._known = dict(found)

    def check(self, name: str, distribution: BaseDistribution) -> None:
        """Raise ValueError if a parameter may not have this distribution."""
        self.check_all([(name, distribution)])

    def check_all(self, params: Iterable[tuple[str, BaseDistribution]]) -> None:
        """Raise ValueError if one of these does not fit; else remember them all."""
        added: dict[str, BaseDistribution] = {}
        for name, distribution in params:
            checked = self._checked.get(name)
            if checked is not None:
                if checked is not distribution:
                    check_keeps_kind(name, checked, distribution)
                continue
            # As it will be read: JSON makes lists of tuples, among other things.
            distribution = distribution_of(text_of(distribution))
            known = self._known.get(name) or added.setdefault(name, distribution)
            if known is not distribution:
                check_keeps_kind(name, known, distribution)
        self._known = dict(chain(self._known.items(), added.items())) if added else self._known
