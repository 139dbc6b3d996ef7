"""--db beside --server: the file answers where no server does, and says so."""

import json
import subprocess
import time

from conftest import build, one_line

NOBODY = "127.0.0.1:1"
SUSPENDED = "Ramesh,2344567890,GJ05-1234,suspended,2026-01-01,2020-01-01,2090-01-01,LMV,\n"
VALID = "Ramesh,2344567890,GJ05-1234,valid,2020-01-01,2020-01-01,2090-01-01,LMV,\n"
DATES = "name,phone,licence,status,status_since,valid_from,valid_to,classes,document\n"


def ask(dlv, keys, servers, db, *args, **how):
    return dlv("client", "--server", servers, "--server-key", keys.server_pub, "--authority", keys.authority_pub,
               "--db", db, "--timeout", "5", *args, "--number", "GJ05-1234", **how)


def test_the_file_answers_where_no_server_does(dlv, serve, keys, tmp_path):
    """The server has the newer release. Without it the file says what it knows, marked and with its date."""
    old, new, state = tmp_path / "old.db", tmp_path / "new.db", tmp_path / "state"
    state.mkdir(mode=0o700)
    build(dlv, keys, old, DATES + VALID, "--sequence", "1")
    build(dlv, keys, new, DATES + SUSPENDED, "--sequence", "2")
    server = serve(dlv, new, who=["--anonymous"])
    online = ask(dlv, keys, server.address, old, "--state", state, status=1)
    assert online.out.startswith("SUSPENDED") and "offline" not in online.out and online.err == ""
    both = json.loads(ask(dlv, keys, f"{NOBODY},{server.address}", old, "--json", status=1).out)
    assert both["offline"] is False and both["db_sequence"] == 2
    server.stop()
    # That the server had release 2 is no reason to refuse release 1, which is all that there is.
    offline = ask(dlv, keys, server.address, old, "--state", state, status=0)
    assert offline.out.startswith("VALID") and "; offline, old.db#1 of " in offline.out
    assert f"answered from {old}, because no server was there" in offline.err
    found = json.loads(ask(dlv, keys, server.address, old, "--json", status=0).out)
    assert found["offline"] is True and found["source"] == "old.db#1" and found["db_age_days"] == 0


def test_neither_answers(dlv, keys, tmp_path):
    """A file that is too old is no answer; both reasons are told."""
    db = tmp_path / "l.db"
    build(dlv, keys, db, DATES + VALID, "--created", "2026-01-01T00:00:00Z", "--valid-days", "31")
    line = one_line(ask(dlv, keys, NOBODY, db, status=2))
    assert NOBODY in line and "; and the file: " in line and "was valid until" in line
    answer = json.loads(ask(dlv, keys, NOBODY, db, "--json", status=2).out)
    assert answer["verdict"] is None and answer["error"] == "unreachable"
    stale = ask(dlv, keys, NOBODY, db, "--stale-ok", "36525", status=0)
    assert stale.out.startswith("VALID") and "STALE" in stale.out
    assert "and the file" in one_line(ask(dlv, keys, NOBODY, tmp_path / "missing.db", status=2))


def test_a_file_of_somebody_else(dlv, keys, tmp_path):
    db = tmp_path / "l.db"
    build(dlv, keys, db, DATES + VALID)
    done = dlv("client", "--server", NOBODY, "--server-key", keys.server_pub, "--authority", keys.other_pub,
               "--db", db, "--number", "GJ05-1234", status=2)
    assert "and the file" in one_line(done)


def test_many_questions_lose_the_server(dlv, serve, keys, tmp_path):
    """A server that goes away between two questions: the second one is answered by the file."""
    db = tmp_path / "l.db"
    build(dlv, keys, db, DATES + VALID)
    server = serve(dlv, db, who=["--anonymous"])
    client = subprocess.Popen([dlv.path, "client", "--server", server.address, "--server-key", keys.server_pub,
                               "--authority", keys.authority_pub, "--db", db, "--json", "--timeout", "2", "--number", "-"],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def question():
        client.stdin.write("GJ05-1234\n")
        client.stdin.flush()
        return json.loads(client.stdout.readline())

    assert question()["offline"] is False
    server.stop()
    assert question()["offline"] is True
    started = time.monotonic()
    assert all(question()["offline"] for _ in range(5))
    assert time.monotonic() - started < 2  # the servers are left alone for a while
    client.stdin.close()
    assert client.wait(10) == 0 and client.stderr.read().count("because no server was there") == 1


def test_options_that_need_each_other(dlv, keys, tmp_path):
    line = one_line(dlv("client", "--number", "1", status=2))
    assert "--server or --db" in line
    line = one_line(dlv("client", "--server", NOBODY, "--server-key", keys.server_pub, "--db", "x", "--number", "1", status=2))
    assert "--authority" in line
    line = one_line(dlv("client", "--legacy", "--server", NOBODY, "--db", "x", "R 1 G", status=2))
    assert "--db" in line and "--legacy" in line
