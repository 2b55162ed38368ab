"""Samples of the counters with a real server: what was counted is in them once, over restarts and kills."""
import time

import pytest

from conftest import wait_for
from test_basics import send
from test_web import admin, call, reachable, start_with_admin


@pytest.fixture
def charts(make_server):
    s = make_server(start=False)
    start_with_admin(s)
    return s


def counted(s, metric, step="1m"):
    """What the samples of the last hour and the running minute hold, all together."""
    a = admin(s, "GET", f"/metrics/query?metric={metric}&from=1h&step={step}")
    assert a.status == 200, a.body
    return sum(v for v in a.json()["series"][0]["values"] if v is not None)


def deliver(s, n):
    for _ in range(n):
        send(s)


def test_nothing_is_lost_or_doubled_over_restarts(charts):
    deliver(charts, 3)
    assert counted(charts, "smtp_messages_in") == 3  # the running minute
    # The module that samples is killed: the next one goes on where the samples end.
    old = charts.kill("control")
    wait_for("a new module control", lambda: charts.pids().get("control", old) != old and reachable(charts.port["http"]))
    deliver(charts, 2)
    assert counted(charts, "smtp_messages_in") == 5
    # An orderly stop writes the minute that runs; a new server counts from 0 and adds.
    assert charts.stop() == 0
    names = sorted(f.name for f in (charts.data / "status/traffic").iterdir())
    assert names == ["1h", "1m", "5m"]
    charts.start()
    wait_for("the web server", lambda: reachable(charts.port["http"]))
    deliver(charts, 1)
    for step in ("1m", "5m", "1h"):
        assert counted(charts, "smtp_messages_in", step) == 6
    starts = [a for a in admin(charts, "GET", "/annotations?from=1h").json()["items"] if a["kind"] == "restart"]
    assert 1 <= len(starts) <= 2  # both starts, or the last of one minute


def test_a_full_minute_is_written_by_itself(charts):
    """The file's record of a minute is there soon after its end."""
    wait_for("a minute with time left in it", lambda: time.time() % 60 < 50)
    left = 60 - time.time() % 60
    begin = int(time.time() // 60) * 60
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(begin))
    end = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(begin + 60))
    path = f"/metrics/query?metric=smtp_messages_in&from={at}&to={end}&step=1m"
    size = (charts.data / "status/traffic/1m").stat().st_mtime_ns
    deliver(charts, 1)
    wait_for("the minute's sample", lambda: time.time() > begin + 60 and (charts.data / "status/traffic/1m").stat().st_mtime_ns > size,
             timeout=left + 20, interval=0.2)
    a = admin(charts, "GET", path).json()
    assert a["series"][0]["values"] == [1] and a["step_seconds"] == 60
    assert 1 <= a["covered_seconds"][0] <= 60


def test_samples_that_cannot_be_written_stop_nothing(charts):
    """Whoever deletes the directory, or puts a file in its place, does not stop mail or the console."""
    assert call(charts, "GET", "/metrics/query?metric=auth_ok").status == 401
    charts.stop()
    traffic = charts.data / "status/traffic"
    for f in traffic.iterdir():
        f.unlink()
    traffic.rmdir()
    traffic.write_text("not a directory")
    charts.start()
    wait_for("the web server", lambda: reachable(charts.port["http"]))
    deliver(charts, 1)
    wait_for("the error log", lambda: "traffic charts: no samples are kept" in charts.output())
    assert admin(charts, "GET", "/metrics").status == 200
