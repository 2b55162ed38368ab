"""The corpus of real and broken messages, as a mail client hands them over: lone LF made CRLF, all else as it is.

$POSTHORN_CORPUS names its folder; else ../shared/corpus beside the checkout; else the subset kept with the tests.
"""
import os
import pathlib
import re

from conftest import TOP

HERE = pathlib.Path(__file__).resolve().parent


def folder():
    for d in (os.environ.get("POSTHORN_CORPUS"), TOP.parent / "shared/corpus"):
        if d and pathlib.Path(d).is_dir():
            return pathlib.Path(d)
    return HERE / "data/corpus"


def messages():
    """[(name, content with CRLF line ends)], sorted by name."""
    out = []
    for f in sorted(folder().rglob("*.eml")):
        out.append((str(f.relative_to(folder())), re.sub(rb"(?<!\r)\n", b"\r\n", f.read_bytes())))
    assert len(out) >= 40, f"{folder()} has {len(out)} messages"
    return out


def ended(content):
    """With the line end that DATA adds (RFC 5321 4.1.1.4): a message without one cannot be sent by it."""
    return content if content.endswith(b"\r\n") else content + b"\r\n"


def below_trace(stored):
    """Content below the Return-Path and Received fields that the server put first."""
    m = re.match(rb"Return-Path: <[^\r\n]*>\r\nReceived: from [^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*", stored)
    assert m, stored[:300]
    return stored[m.end():]
