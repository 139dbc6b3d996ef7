"""Machines whose clock is wrong: the same objects as the release's, linked to a clock that is shifted."""

import json
import os
import re
import subprocess
import time

import pytest
from conftest import HEADER, ROOT, build, one_line

DAY, YEAR = 86400, 365 * 86400


def day_text(offset=0):
    return time.strftime("%Y-%m-%d", time.gmtime(time.time() + offset))


@pytest.fixture
def db(release, keys, tmp_path):
    """One licence ended a hundred days ago, the other one ends in a hundred days."""
    path = tmp_path / "l.db"
    rows = "".join(f"Asha,9800000098,{number},valid,2020-01-01,{day_text(end * DAY)}\n"
                   for number, end in (("GJ01", -100), ("GJ02", 100)))
    build(release, keys, path, HEADER + rows, "--created", f"{day_text(-40 * DAY)}", "--valid-days", "400")
    return path


@pytest.fixture
def offline(db, keys):
    return ["client", "--db", db, "--authority", keys.authority_pub, "--number"]


def test_right(shifted, offline):
    assert shifted(0, *offline, "GJ01", status=1).out.startswith("EXPIRED")
    assert shifted(0, *offline, "GJ02", status=0).out.startswith("VALID")


@pytest.mark.parametrize("behind", [3 * YEAR, 42 * DAY, None], ids=["three years", "days", "1970"])
def test_offline_behind(shifted, offline, behind):
    """A kiosk whose clock is behind its own database gives no verdict, unless it is told the day."""
    by = -behind if behind is not None else -int(time.time()) + 1000
    for number in ("GJ01", "GJ02"):
        assert "clock of this machine is behind the date of the database" in one_line(shifted(by, *offline, number))
        answer = json.loads(shifted(by, *offline, number, "--json", status=2).out)
        assert (answer["verdict"], answer["error"]) == (None, "conflict")
    assert shifted(by, *offline, "GJ01", "--at", day_text(), status=1).out.startswith("EXPIRED")


def test_offline_ahead(shifted, offline):
    """Far ahead the database is stale; used all the same, it leaves its mark."""
    assert "was valid until" in one_line(shifted(3 * YEAR, *offline, "GJ02"))
    done = shifted(3 * YEAR, *offline, "GJ02", "--stale-ok", "2000", "--json")
    answer = json.loads(done.out)
    assert answer["stale"] is True and "warning" in done.err and answer["db_age_days"] > 1000


def test_offline_behind_a_server(shifted, release, serve, db, keys, offline, tmp_path):
    """A time that a server gave is remembered, and the clock must not be behind it."""
    state = tmp_path / "state"
    state.mkdir()
    server = serve(release, db, who=("--anonymous",))
    release("client", "--server", server.address, "--server-key", keys.server_pub, "--authority", keys.authority_pub,
            "--state", state, "--number", "GJ02", status=0)
    assert shifted(-20 * DAY, *offline, "GJ02", status=0)  # nothing says that this is wrong
    assert "behind the time that a server gave before" in one_line(shifted(-20 * DAY, *offline, "GJ02", "--state", state))
    assert shifted(DAY, *offline, "GJ02", "--state", state, status=0)


def test_offline_behind_the_program(shifted, release, serve, db, keys, offline):
    """No clock is right that is behind the date of the program itself; online it does not matter."""
    built = int(time.time()) - 10 * DAY
    assert "behind the date of this program" in one_line(shifted(-20 * DAY, *offline, "GJ02", built=built))
    assert shifted(-9 * DAY, *offline, "GJ02", built=built, status=0)
    assert shifted(-20 * DAY, *offline, "GJ01", "--at", day_text(), built=built, status=1).out.startswith("EXPIRED")
    server = serve(release, db, who=("--anonymous",))
    online = ["client", "--server", server.address, "--server-key", keys.server_pub, "--number"]
    assert shifted(-20 * DAY, *online, "GJ01", built=built, status=1).out.startswith("EXPIRED")


def test_the_date_of_the_program(release):
    """It is that of the sources: of their last commit, unless it is set for the build."""
    made = re.search("^sources of: (.*), commit ", release("--version", status=0).out, re.M).group(1)
    last = subprocess.run(["git", "log", "-1", "--format=%ct"], cwd=ROOT, capture_output=True, text=True).stdout
    when = os.environ.get("SOURCE_DATE_EPOCH") or last
    assert made == (time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(int(when))) if when else "unknown")


@pytest.mark.parametrize("udp", [[], ["--udp"]], ids=["tcp", "udp"])
@pytest.mark.parametrize("by", [-3 * YEAR, -200 * DAY, 200 * DAY], ids=["three years behind", "behind", "ahead"])
def test_online(shifted, release, serve, db, keys, by, udp):
    """The server's clock says what day it is."""
    server = serve(release, db, who=("--anonymous",))
    online = ["client", "--server", server.address, "--server-key", keys.server_pub, *udp, "--number"]
    for number, verdict in (("GJ01", "EXPIRED"), ("GJ02", "VALID")):
        done = shifted(by, *online, number, status=0 if verdict == "VALID" else 1)
        assert done.out.startswith(verdict + " ") and f"(for {day_text()};" in done.out
        answer = json.loads(shifted(by, *online, number, "--json").out)
        assert (answer["verdict"], answer["day"]) == (verdict, day_text())
    # With proofs the server is not believed about the time where that would make an old release look fresh.
    if by > 0:
        return
    assert shifted(by, *online, "GJ01", "--prove", "--authority", keys.authority_pub, status=1).out.startswith("EXPIRED")


def test_a_release_that_is_older_than_the_server_says(shifted, release, serve, db, keys):
    """With --prove, a server cannot hide by its clock that its database is past its valid-until."""
    server = serve(release, db, who=("--anonymous",))
    online = ["client", "--server", server.address, "--server-key", keys.server_pub, "--number", "GJ02"]
    assert "was valid until" in one_line(shifted(2 * YEAR, *online, "--prove", "--authority", keys.authority_pub))


def test_no_server_starts_with_a_clock_that_is_known_to_be_wrong(shifted, db, keys):
    """Its tickets would expire at any time, and every kiosk would be told a wrong day."""
    for by in (-3 * YEAR, -int(time.time()) + 1000):
        line = one_line(shifted(by, "server", "--db", db, "--authority", keys.authority_pub, "--key", keys.server, "--anonymous",
                                "--listen", "127.0.0.1:0", built=int(time.time()) - DAY, timeout=20))
        assert "the clock of this machine is behind the date of this program" in line


def test_no_database_is_made_with_such_a_clock(shifted, db, keys, tmp_path):
    made = ["dbgen", "--sign", keys.authority, "-o", tmp_path / "n.db", "-"]
    rows = HEADER + "Asha,9800000098,GJ01,valid,2020-01-01,2030-01-01\n"
    line = one_line(shifted(-3 * YEAR, *made, stdin=rows, built=int(time.time()) - DAY))
    assert "the clock of this machine is behind the date of this program" in line and "--created" in line
    shifted(-3 * YEAR, *made, "--created", day_text(), stdin=rows, built=int(time.time()) - DAY, status=0)
