"""Errors of ClickHouse as its HTTP interface shows them: a number, a name, a text and an HTTP status."""

import re

# ClickHouse's src/Server/HTTP/exceptionCodeToHTTPStatus.cpp. Every other code is a 500.
STATUS = {
    400: {6, 8, 15, 25, 26, 27, 36, 37, 38, 41, 44, 53, 62, 72, 117, 123, 167, 168, 223, 321, 376, 427, 441, 675, 676},
    401: {194},
    403: {192, 193, 497, 512, 516},
    404: {46, 47, 50, 56, 60, 63, 73, 78, 81, 115, 152, 336, 511},
    408: {159},
    411: {381},
    413: {229},
    415: {779},
    501: {48},
    503: {76, 209, 439},
}


class DbError(Exception):
    """An error as ClickHouse reports it: a number, a name, a message."""

    def __init__(self, code, name, message):
        super().__init__(message)
        self.code, self.name = code, name

    @classmethod
    def from_engine(cls, text):
        """Undoes the engine's nesting: `Code: 1. DB::Exception: Code: 1. DB::Exception: what. (NAME) (version ...`."""
        code = re.match(r"Code: (\d+)\. ", text)
        text = re.sub(r"^(?:Code: \d+\. DB::Exception: )+", "", text)
        name = ""
        while tail := re.search(r"\.? \((?:version [^()]*|([A-Z0-9_]+))\)\.?\s*\Z", text):
            name = name or tail.group(1) or ""
            text = text[:tail.start()]
        # The file that stands for the request's body.
        text = re.sub(r": \(in file/uri [^)]*\)", "", text)
        return cls(int(code.group(1)) if code else 1001, name or "STD_EXCEPTION", text)

    def status(self):
        return next((status for status, codes in STATUS.items() if self.code in codes), 500)

    def text(self, version):
        return f"Code: {self.code}. DB::Exception: {self}. ({self.name}) (version {version} (official build))\n"
