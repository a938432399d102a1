"""Named things from plugins, each name once."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from automl_agent.errors import UnknownNameError

T = TypeVar("T")


@dataclass(frozen=True)
class Registered(Generic[T]):
    """A thing and the distribution that brought it."""

    value: T
    distribution: str


class _NotRegisteredError(UnknownNameError, KeyError):
    """A KeyError too, because a mapping's `get` relies on it."""

    __str__ = Exception.__str__  # a KeyError shows the repr of its text


class Registry(Mapping[str, T]):
    """Things of one kind by name."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._entries: dict[str, Registered[T]] = {}

    def add(self, name: str, value: T, *, distribution: str) -> str | None:
        """The distribution that loses this name, if two claim it; None if the name was free.

        A name belongs to the distribution that is called after it, else to the one that came first:
        so a newcomer cannot take over `xgboost` from `automl-agent-xgboost`.
        """
        holder = self._entries.get(name)
        newcomer = Registered(value, distribution)
        if holder is None:
            self._entries[name] = newcomer
            return None
        if _is_called_after(distribution, name) and not _is_called_after(holder.distribution, name):
            self._entries[name] = newcomer
            return holder.distribution
        return distribution

    def __getitem__(self, name: str) -> T:
        """The thing of that name.

        Raises: UnknownNameError with the nearest name.
        """
        return self._find(name).value

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._entries))

    def __len__(self) -> int:
        return len(self._entries)

    def distribution(self, name: str) -> str:
        """The distribution that brought the thing of that name.

        Raises: UnknownNameError.
        """
        return self._find(name).distribution

    def _find(self, name: str) -> Registered[T]:
        if name not in self._entries:
            raise _NotRegisteredError(self.kind, name, self._entries)
        return self._entries[name]


def _is_called_after(distribution: str, name: str) -> bool:
    return distribution in (f"automl-agent-{name}", "automl-agent")
