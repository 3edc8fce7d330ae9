"""The documented base class of genetic algorithms, for those that users write and for our own."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ahpo.samplers.base import BaseSampler
from ahpo.samplers.generations import Marks, course, mark_of, members

if TYPE_CHECKING:
    from ahpo.history.base_study import BaseStudy
    from ahpo.trials import FrozenTrial

__all__ = ("BaseGASampler",)


class BaseGASampler(BaseSampler):
    """Keep count of generations for a genetic algorithm.

    A trial is marked with its generation in the system attribute ``<class>:generation``; the
    parents of a generation are kept in that of the study, ``<class>:parent:<generation>``.

    :param population_size: how many trials make a generation; it may be set later.
    """

    _GENERATION_KEY: ClassVar[str] = "BaseGASampler:generation"
    _PARENT_CACHE_KEY_PREFIX: ClassVar[str] = "BaseGASampler:parent:"

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._GENERATION_KEY = f"{cls.__name__}:generation"
        cls._PARENT_CACHE_KEY_PREFIX = f"{cls.__name__}:parent:"

    def __init__(self, population_size: int | None) -> None:
        self._population_size = population_size

    @classmethod
    def _get_generation_key(cls) -> str:
        return cls._GENERATION_KEY

    @classmethod
    def _get_parent_cache_key_prefix(cls) -> str:
        return cls._PARENT_CACHE_KEY_PREFIX

    @property
    def population_size(self) -> int | None:
        """Return how many trials make a generation."""
        return self._population_size

    @population_size.setter
    def population_size(self, value: int) -> None:
        self._population_size = value

    def _marks(self) -> Marks:
        size = self._population_size
        if size is None or size < 1:
            raise ValueError(
                f"`population_size` must be set to an int above 0, but it is {size!r}."
            )
        return Marks(self._get_generation_key(), size)

    @abstractmethod
    def select_parent(self, study: BaseStudy, generation: int) -> list[FrozenTrial]:
        """Return the parents of a generation; called once for each generation but the first.

        :param study: the study, to be read only.
        :param generation: the generation that is about to begin.
        """

    def get_trial_generation(self, study: BaseStudy, trial: FrozenTrial) -> int:
        """Return the generation of a trial, and mark the trial with it.

        It is the newest one, or the next if enough trials of the newest are complete.

        :param study: the study.
        :param trial: the trial.
        """
        key = self._get_generation_key()
        generation = mark_of(trial.system_attrs, key)
        if generation < 0:
            view = study.view()
            generation = course(view, self._marks()).newest(view.n)
            trial.system_attrs[key] = generation
        return generation

    def get_population(self, study: BaseStudy, generation: int) -> list[FrozenTrial]:
        """Return the complete trials of a generation, by number.

        Trials without a mark, which were added or came from another sampler, are in generation 0.

        :param study: the study.
        :param generation: the generation.
        """
        view = study.view()
        history = study._read()
        rows = members(view, self._marks(), generation)
        return [history.shared_frozen(number) for number in view.numbers[rows].tolist()]

    def get_parent_population(self, study: BaseStudy, generation: int) -> list[FrozenTrial]:
        """Return the parents of a generation, none for generation 0.

        They are selected when they are first asked for, and kept with the study.

        :param study: the study.
        :param generation: the generation.
        """
        if generation == 0:
            return []
        key = f"{self._get_parent_cache_key_prefix()}{generation}"
        history = study._read()
        kept = history.system_attrs.get(key)
        if kept is None:
            parents = self.select_parent(study, generation)
            study._keep_system_attr(key, [trial._trial_id for trial in parents])
            return parents
        table, n = history.table, history.table.n
        rows = np.flatnonzero(np.isin(table.trial_ids.rows(n), kept))
        numbers = sorted(table.numbers.rows(n)[rows].tolist())
        return [history.shared_frozen(number) for number in numbers]
