"""The table of a stream in Tiled: rows are held until they are flushed, and those that the server has are left out."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from typing import Any

from ._nodes import Differs, found_or_made
from ._untyped import pa

__all__ = ["Table"]

COLUMN = {
    "number": pa.float64(),
    "integer": pa.int64(),
    "boolean": pa.bool_(),
    "array": pa.list_(pa.float64()),
}


class Table:
    """Stands for the client of an appendable table: TiledWriter appends row by row, `flush` sends them as one request.

    The server keeps all rows of a request or none, so the number of rows that it
    has says exactly where to go on.
    """

    def __init__(self, container: Any, key: str, metadata: Mapping[str, Any], tags: Any, node: Any | None) -> None:
        self._container = container
        self._key = key
        self._metadata = metadata
        self._tags = tags
        self._node = node
        self._there = _first_column(node)
        """What the server has of the rows: its ``seq_num``, or another column in a part without."""
        self._waiting: list[Any] = []
        self._seq_nums = array("q")
        self.passed: int = 0
        """Rows that came, sent or not."""
        self.sent: int = len(self._there)
        """Rows that the server has."""

    @property
    def uri(self) -> str:
        """Address of the node."""
        return "" if self._node is None else self._node.uri

    def close_stream(self) -> None:
        """Say to those who listen at the server that nothing more comes."""
        if self._node is not None:
            self._node.close_stream()

    def append_partition(self, partition: int, table: Any) -> None:
        """Take a row."""
        del partition
        self.passed += table.num_rows
        if "seq_num" in table.column_names:
            self._seq_nums.extend(table["seq_num"].to_pylist())
        if self.passed > self.sent:
            self._waiting.append(table)
        elif self.passed == self.sent:
            self._compare()

    def flush(self) -> None:
        """Send the rows that wait."""
        if not self._waiting:
            return
        rows = pa.concat_tables(self._waiting, promote_options="permissive")
        if self._node is None:
            schema = pa.schema([self._column(field) for field in rows.schema])
            self._node, _ = found_or_made(
                self._container,
                self._key,
                lambda: self._container.create_appendable_table(
                    schema=schema, key=self._key, metadata=self._metadata, access_tags=self._tags
                ),
            )
        schema = self._node.structure().arrow_schema_decoded
        self._node.append_partition(0, _in_columns(rows, schema))
        self.sent += rows.num_rows
        self._waiting.clear()

    def check(self) -> None:
        """Ask the server what it has, and raise `Differs` where that is not what was sent."""
        self._there = _first_column(self._node)
        if len(self._there) != self.passed:
            raise Differs(f"the server has {len(self._there)} rows of {self._key!r}, sent were {self.passed}")
        self._compare()

    def _compare(self) -> None:
        # Some databases give the rows back in another order.
        if self._seq_nums and sorted(self._there) != sorted(self._seq_nums[: len(self._there)]):
            raise Differs(f"the rows of {self._key!r} at the server are not those of the file")

    def _column(self, field: Any) -> Any:
        declared: Mapping[str, Any] = self._metadata.get(field.name) or {}
        if pa.types.is_null(field.type):
            return field.with_type(COLUMN.get(declared.get("dtype", ""), pa.string()))
        if pa.types.is_list(field.type) and pa.types.is_null(field.type.value_type):
            return field.with_type(COLUMN["array"])
        return field


def _first_column(node: Any | None) -> Sequence[Any]:
    if node is None:
        return ()
    names = list(node.columns)
    name = "seq_num" if "seq_num" in names else names[0]
    return list(node.read([name])[name])


def _in_columns(rows: Any, schema: Any) -> Any:
    columns = [
        rows[field.name].cast(field.type) if field.name in rows.column_names else pa.nulls(rows.num_rows, field.type)
        for field in schema
    ]
    if unknown := set(rows.column_names) - set(schema.names):
        raise ValueError(f"events have {', '.join(sorted(unknown))}, which their table at the server has not")
    return pa.table(columns, schema=schema.remove_metadata())
