"""Reads just enough SQL to do what ClickHouse's server does before its parser: find where an INSERT's data begins.

The grammar is that of ClickHouse's ParserInsertQuery; whatever is not an INSERT with data goes to the engine as it is.
"""

import re
from dataclasses import dataclass

from clickhouse_error import DbError

TOKEN = re.compile(
    rb"""(?P<skip>\s+ | --[^\n]* | \#[ !][^\n]* | /\*.*?\*/)
       | (?P<quoted>'(?:[^'\\]|\\.|'')*' | `(?:[^`\\]|\\.|``)*` | "(?:[^"\\]|\\.|"")*")
       | (?P<word>[A-Za-z_][A-Za-z0-9_$]*)
       | (?P<number>[0-9][A-Za-z0-9_.]*)
       | (?P<sign>.)""",
    re.VERBOSE | re.DOTALL,
)

# A clause of INSERT that stands after the table and its columns.
CLAUSES = {b"SETTINGS", b"FORMAT", b"VALUES", b"SELECT", b"WITH", b"FROM", b"WATCH"}


@dataclass
class Insert:
    """`INSERT INTO t (a, b)`, ` SETTINGS x = 1`, the format, and where the data begins in the text."""

    target: str
    settings: str
    format: str
    data_at: int

    def from_file(self, path):
        return f"{self.target} FROM INFILE '{quote(path)}'{self.settings} FORMAT {self.format}"


@dataclass
class Statement:
    """Any other statement; `format` is what its own FORMAT clause says, `kind` its first word."""

    kind: str
    format: str | None


def read(text, complete=True):
    """The `Insert` or `Statement` that `text` (bytes) begins with; without `complete`, more may follow."""
    tokens = Tokens(text)
    first = tokens.next()
    if first.upper() == b"INSERT" and (insert := read_insert(tokens)):
        return insert
    return read_statement(text, first) if complete else None


def read_insert(tokens):
    """None when data is not given with the query (INSERT SELECT)."""
    target_end = settings_from = None
    depth = 0
    named = False
    while word := tokens.next():
        depth += (word in (b"(", b"[", b"{")) - (word in (b")", b"]", b"}"))
        upper = word.upper() if tokens.kind == "word" and depth == 0 else b""
        if not named:
            if upper not in (b"INTO", b"TABLE", b"FUNCTION"):
                named = depth == 0
            continue
        if tokens.follows_dot or upper not in CLAUSES:
            continue
        if upper == b"SETTINGS":
            target_end = settings_from = tokens.start
        elif upper == b"FORMAT":
            name = tokens.next()
            if tokens.kind != "word":
                return None
            return cut(tokens, target_end, settings_from, tokens.format_start, name.decode())
        elif upper == b"VALUES":
            return cut(tokens, target_end, settings_from, tokens.start, "Values")
        elif upper == b"FROM" and tokens.peek().upper() == b"INFILE":
            raise DbError(78, "UNKNOWN_TYPE_OF_QUERY", "Query has infile and was send directly to server")
        else:
            return None
    return None


def cut(tokens, target_end, settings_from, clause_at, format_name):
    text, at = tokens.text, tokens.end
    if text[at:at + 1] == b";":
        raise DbError(62, "SYNTAX_ERROR", "You have excessive ';' symbol before data for INSERT.")
    while text[at:at + 1] in (b" ", b"\t", b"\f"):
        at += 1
    at += text[at:at + 1] == b"\r"
    at += text[at:at + 1] == b"\n"
    target = text[:clause_at if target_end is None else target_end].decode().strip()
    settings = "" if settings_from is None else " " + text[settings_from:clause_at].decode().strip()
    return Insert(target, settings, format_name, at)


def read_statement(text, first):
    """Refuses a second statement, which the engine would run and the server does not."""
    tokens = Tokens(text)
    ended, previous, depth, format_name = False, b"", 0, None
    while word := tokens.next():
        if ended and word != b";":
            raise DbError(62, "SYNTAX_ERROR", f"Syntax error (Multi-statements are not allowed): failed at position"
                                              f" {tokens.start + 1}")
        ended = ended or word == b";"
        depth += (word in (b"(", b"[", b"{")) - (word in (b")", b"]", b"}"))
        if depth == 0 and previous == b"FORMAT" and tokens.kind == "word":
            format_name = word.decode()
        previous = word.upper() if tokens.kind == "word" else b""
    return Statement(first.decode(errors="replace").upper(), format_name)


class Tokens:
    """The significant tokens of a text, one at a time; `b""` at the end."""

    def __init__(self, text):
        self.text, self.end, self.kind = text, 0, ""
        self.start = self.format_start = 0
        self.word = b""
        self.follows_dot = False

    def next(self):
        self.format_start = self.start
        self.follows_dot = self.word == b"."
        at = self.end
        while at < len(self.text):
            match = TOKEN.match(self.text, at)
            at = match.end()
            if match.lastgroup != "skip":
                self.start, self.end, self.kind, self.word = match.start(), at, match.lastgroup, match.group()
                return self.word
        self.word = b""
        return b""

    def peek(self):
        for match in TOKEN.finditer(self.text, self.end):
            if match.lastgroup != "skip":
                return match.group()
        return b""


def quote(text):
    return str(text).replace("\\", "\\\\").replace("'", "\\'")
