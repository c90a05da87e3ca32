"""All entries by name."""

from collections import Counter

from malformed import pictures, records, tables, tensors, weights, words
from malformed.entry import Entry

_ALL = [entry for part in (weights, tensors, tables, pictures, records, words) for entry in part.ENTRIES]
ENTRIES: dict[str, Entry] = {entry.name: entry for entry in _ALL}

if twice := [name for name, count in Counter(entry.name for entry in _ALL).items() if count > 1]:
    raise ValueError(f"two entries of one name: {twice}")
