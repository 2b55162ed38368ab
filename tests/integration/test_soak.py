"""Mixed load in a short form: the machinery of tests/fault/soak.py, and no gross growth. The long form is run by hand."""
import pathlib
import sys

from conftest import PASSWORD, SANITIZED

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "fault"))

import soak  # noqa: E402


def test_soak_short(make_server):
    server = make_server(users=soak.USERS, settings=soak.SETTINGS)
    # Caches and heaps are not full yet after some seconds: only a leak with every message would show.
    bad, books, v = soak.run(server, PASSWORD, seconds=20, every=1, slack_kib=16 * 1024, share=0.25, messages=500)
    assert SANITIZED or not bad, bad  # what was freed is kept for a while there, to find who still uses it; leaks are reported
    assert not books.faults, "\n".join(books.faults[:20])
    assert not (v.lost or v.doubled or v.both or v.back or v.unasked), vars(v)
    assert books.count["smtp acked"] > 100 and books.count["append acked"] > 10
