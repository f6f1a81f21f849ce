"""What TiledWriter takes for its client: a mirror of the nodes of one run, which sends only what the server has not.

TiledWriter itself cannot go on with a run: it begins each with an empty memory,
and appends again what it is not sure of. So it is always given the run from its
first document, with its own memory, and what it does to the server goes through
these few classes. Each stands for one kind of node, and each step is such that
doing it again changes nothing:

- a node that is there is taken instead of made;
- rows of a table are counted: those that the server has are left out, and the
  database takes the rows of one request or none of them;
- rows of an array go to their own place, before the table's rows of the same events;
- what lies in files (HDF5 and such) is named as a whole, each time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ._arrays import Array
from ._nodes import Differs, container_in, found_or_made
from ._table import Table

__all__ = ["Root"]


class _Stream:
    """A stream of a run."""

    def __init__(self, node: Any, key: str, metadata: Mapping[str, Any], *, fresh: bool) -> None:
        self._node = node
        self._there: dict[str, Any] = {} if fresh else dict(node.items())
        self._tables: list[Table] = []
        self._arrays: list[Array] = []
        self.item = {"id": key}
        """What TiledWriter asks for the name."""
        self.metadata: Mapping[str, Any] = dict(metadata)
        """As the file has it, and not the server: so the same updates give the same."""
        counts = [Table(node, name, {}, None, kept).sent for name, kept in self._tables_there()]
        self._known = min(counts, default=0)
        """Events that the server has as a whole."""

    @property
    def base(self) -> _Stream:
        """The same: nothing here is checked by the client."""
        return self

    @property
    def uri(self) -> str:
        """Address of the node."""
        return self._node.uri

    def kinds(self) -> Iterator[tuple[str, Any]]:
        """Columns that the server has, and their types."""
        for _, node in self._tables_there():
            for field in node.structure().arrow_schema_decoded:
                yield field.name, field.type

    def create_appendable_table(self, *, schema: Any, key: str, metadata: Any, access_tags: Any) -> Table:
        """Stand for a table of this stream."""
        del schema  # of one row; made when the rows are sent, from all of them
        table = Table(self._node, key, metadata, access_tags, self._there.get(key))
        self._tables.append(table)
        return table

    def write_array(self, array: Any, *, key: str, metadata: Any, dims: Any, access_tags: Any) -> Array:
        """Stand for an array of this stream; `array` is its first row."""
        about = {"metadata": metadata, "dims": dims, "access_tags": access_tags}
        kept = _Rows(self, self._node, key, about, self._there.get(key))
        self._arrays.append(kept)
        kept.patch(array)
        return kept

    def new(self, *, key: str, **about: Any) -> Any:
        """Make a node for what lies in files."""
        if key in self._there:
            return self._there[key]
        return found_or_made(self._node, key, lambda: self._node.new(key=key, **about))[0]

    def update_metadata(self, *, metadata: Mapping[str, Any], drop_revision: bool) -> None:
        """Change what is said of the stream."""
        self.metadata = {**self.metadata, **metadata}
        self._node.update_metadata(metadata=metadata, drop_revision=drop_revision)

    def close_stream(self) -> None:
        """Say to those who listen at the server that nothing more comes."""
        self._node.close_stream()

    def is_known(self) -> bool:
        """Whether the server has the event that is being taken: its arrays come before its row."""
        return (self._tables[0].passed if self._tables else 0) < self._known

    def flush(self) -> None:
        """Send what waits: the rows of the tables last, for they say what has arrived."""
        for part in (*self._arrays, *self._tables):
            part.flush()

    def check(self, *, whole: bool) -> None:
        """Raise `Differs` where the server has other rows, or more of them, than were taken from the file."""
        for table in self._tables:
            if table.passed < table.sent:
                raise Differs(f"the server has {table.sent} rows of {self.item['id']!r}, the file {table.passed}")
            if whole:
                table.check()
        if self._known and not self._tables:
            raise Differs(f"the server has {self._known} events of {self.item['id']!r}, the file has none")

    def _tables_there(self) -> Iterator[tuple[str, Any]]:
        for name, node in self._there.items():
            if node.structure_family == "table":
                yield name, node


class _Rows(Array):
    """The array of a stream, which leaves out the events that the server has."""

    def __init__(self, stream: _Stream, *about: Any) -> None:
        super().__init__(*about)
        self._stream = stream

    def patch(self, array: Any, offset: Any = None, *, extend: bool = True) -> None:
        """Take a row, unless the server has it."""
        super().patch(array, offset, extend=extend)
        if self._stream.is_known():
            self.skip()


class _Run:
    """The node of a run."""

    def __init__(self, node: Any, *, fresh: bool) -> None:
        self._node = node
        self._fresh = fresh
        self.certain = fresh
        """Nothing went wrong so far: the rows need not be counted at the end."""
        self.streams: dict[str, _Stream] = {}
        """By name."""

    @property
    def uri(self) -> str:
        """Address of the node."""
        return self._node.uri

    def create_container(self, *, key: str, metadata: Any, specs: Any, access_tags: Any) -> _Stream:
        """Make the node of a stream, or take the one that is there."""
        about = {"metadata": metadata, "specs": specs, "access_tags": access_tags}
        node, fresh = container_in(self._node, key, about, made_before=not self._fresh)
        self.streams[key] = stream = _Stream(node.base, key, metadata, fresh=fresh)
        return stream

    def update_metadata(self, *, metadata: Mapping[str, Any], drop_revision: bool) -> None:
        """Add the stop document, after everything else has arrived."""
        self.flush()
        for stream in self.streams.values():
            stream.check(whole=not self.certain)
        self._node.update_metadata(metadata=metadata, drop_revision=drop_revision)

    def close_stream(self) -> None:
        """Say to those who listen at the server that nothing more comes."""
        self._node.close_stream()

    def flush(self) -> None:
        """Send what waits."""
        for stream in self.streams.values():
            stream.flush()


class Root:
    """The container in which the runs are."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.run: _Run | None = None
        """The run, from its start document on."""

    def include_data_sources(self) -> Root:
        """The same: the client was made with them."""
        return self

    def create_container(self, *, key: str, metadata: Any, specs: Any, access_tags: Any) -> _Run:
        """Make the node of the run, or take the one that is there."""
        about = {"metadata": metadata, "specs": specs, "access_tags": access_tags}
        node, fresh = container_in(self._client, key, about)
        self.run = _Run(node, fresh=fresh)
        return self.run
