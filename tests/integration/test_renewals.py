"""Renewal without RSA: a kiosk's next session follows from its last one, whatever else is going on."""

import hmac
import json
import os
import re
import signal
import socket
import struct
import subprocess
import time

import dbformat
import pytest
import session_peer as peer
from conftest import SHIFTED, Dlv, kiosk_line
from session_peer import Refused, TcpClient, UdpClient
from test_deadlines import Between
from test_kept_sessions import arguments, state  # noqa: F401
from test_session import BOTH, FOUND, RAMESH

DAY, LIFE = 86400, 25 * 3600


@pytest.fixture
def shared(tmp_path):
    path = tmp_path / "tickets"
    path.write_bytes(os.urandom(32))
    path.chmod(0o600)
    return path


def starter(binary, serve, small_db, kiosks, tmp_path):
    """Starts a server that tells how many sessions it has opened and renewed."""
    def begin(*options, binary=binary, per_source="0"):
        server = serve(binary, small_db, "--openings-per-source", per_source, "--stats", tmp_path / "metrics", *options,
                       who=("--kiosks", str(kiosks)))

        def counted(opened, *renewed):
            """Whether there were so many; metrics are written every few seconds."""
            deadline = time.time() + 10
            while time.time() < deadline:
                text = (tmp_path / "metrics").read_text()
                got = tuple(int(re.search(rf"^dlv_{name}_total (\d+)", text, re.M).group(1)) for name in ("opened", "renewed"))
                if got[0] == opened and got[1] in renewed:
                    return True
                time.sleep(0.1)
            return got
        server.counted = counted
        return server
    return begin


@pytest.fixture
def start(dlv, serve, small_db, kiosks, tmp_path):
    return starter(dlv, serve, small_db, kiosks, tmp_path)


@pytest.fixture
def begin(release, serve, small_db, kiosks, tmp_path):
    """The same, where it is enough to do it once."""
    return starter(release, serve, small_db, kiosks, tmp_path)


def read_anew(server, event):
    server.log = b""
    server.process.send_signal(signal.SIGHUP)
    server.wait_for(event)
    time.sleep(0.3)  # until all processes have seen it


@BOTH
def test_a_session_follows_from_the_last(start, server_pub, kiosk, Client):
    server = start()
    first = Client(server.port, server_pub, kiosk).open()
    assert first.session.renewal_lifetime == LIFE and first.ask([RAMESH]).kinds == [FOUND]
    sessions = [first.session]
    for _ in range(3):
        client = Client(server.port, server_pub).renew(sessions[-1])  # it does not need the kiosk's key
        assert client.ask([RAMESH]).kinds == [FOUND] and client.session.renewal_lifetime == LIFE
        sessions.append(client.session)
    assert len({one.key for one in sessions}) == len({one.renewal for one in sessions}) == 4
    assert server.counted(1, 3) is True
    # A renewal ticket is good more than once; the session before goes on, too.
    assert Client(server.port, server_pub).renew(sessions[0]).ask([RAMESH]).kinds == [FOUND]
    assert first.ask([RAMESH]).kinds == [FOUND]
    # Nobody in particular has none.
    assert not any(Client(server.port, server_pub).open().session.renewal)


@BOTH
def test_what_is_refused(start, server_pub, kiosk, Client):
    server = start()
    session = Client(server.port, server_pub, kiosk).open().session

    def reply(change):
        client, frame = Client(server.port, server_pub), bytearray(peer.Opening(server_pub, session=session).frame)
        change(frame)
        return client.exchange(bytes(frame))
    for at in (*range(32, 176, 7), 159, 160, 175, 176, 200, 271):  # in the share, the ticket, the proof, and the zeros behind it
        def alter(frame):
            frame[at] ^= 1
        assert reply(alter) == peer.refusal(peer.SESSION), at
    for at in (28, 31):
        def alter(frame):
            frame[at] ^= 1
        assert reply(alter) == peer.refusal(peer.OPENING), at

    def without_ticket(frame):
        frame[64:160] = bytes(96)
    assert reply(without_ticket) == peer.refusal(peer.SESSION)

    # By who has the ticket, but not the session: what a listener can make of what he has seen.
    stranger = peer.Opening(server_pub, session=peer.Session(bytes(32), peer.grant(bytes(88), 0, 0, 1, session.renewal)))
    assert Client(server.port, server_pub).exchange(stranger.frame) == peer.refusal(peer.SESSION)

    class ZeroShare:
        """An exponent whose share makes X25519 give zero."""
        @staticmethod
        def public_key():
            return peer.X25519PublicKey.from_public_bytes(bytes(32))
    zero = peer.Opening(server_pub, session=session, exponent=ZeroShare)
    assert Client(server.port, server_pub).exchange(zero.frame) == peer.refusal(peer.SESSION)


def test_two_answers(start, server_pub, kiosk):
    """To the same frame within a second, of the same share: nothing that one seals tells of what the other does."""
    server = start("--key-holders", "1")
    session = TcpClient(server.port, server_pub, kiosk).open().session
    for opening in peer.Opening(server_pub, session=session), peer.Opening(server_pub), peer.Opening(server_pub, shown=session):
        accepts = [TcpClient(server.port, server_pub).exchange(opening.frame) for _ in range(4)]
        shares = {accept[8:40] for accept in accepts}
        assert len(shares) <= 2 and len({accept[40:56] for accept in accepts}) == 4
        assert len({opening.finish(accept).key for accept in accepts}) == 4


@pytest.mark.parametrize("kind", [peer.UNWRAP, peer.IDENTIFY])
def test_a_ticket_that_was_only_heard(start, server_pub, kiosk, kind):
    """Tickets travel in the clear. Frames that are made up around one use up nothing of the kiosk's."""
    server = start(per_source="1")
    session = TcpClient(server.port, server_pub, kiosk).open().session
    for _ in range(30):
        frame = peer.header(kind, 692) + bytes(20) + session.ticket + b"\1" + os.urandom(575)
        assert TcpClient(server.port, server_pub).exchange(frame)[4] == peer.REFUSE
    for _ in range(10):
        assert TcpClient(server.port, server_pub).renew(session).ask([RAMESH]).kinds == [FOUND]


def test_datagrams(start, server_pub, kiosk):
    """No cookie at first; what comes again from elsewhere is perhaps a listener's, and gets one."""
    server = start()
    session = UdpClient(server.port, server_pub, kiosk).open().session
    client, opening = UdpClient(server.port, server_pub), peer.Opening(server_pub, session=session)
    accept = client.exchange(opening.frame)
    assert accept[4] == peer.ACCEPT and len(accept) <= len(opening.frame)
    assert client.exchange(opening.frame) == accept  # it may have been lost
    other = UdpClient(server.port, server_pub)
    cookie = other.exchange(opening.frame)
    assert cookie[4] == peer.COOKIE
    again = other.exchange(opening.with_cookie(cookie))
    assert opening.finish(accept).key and opening.finish(again).ticket
    for length in (8, 100, 271, 273):
        frame = (peer.header(peer.RENEW, length) + opening.frame[8:] + b"\0")[:length]
        assert other.exchange(frame)[4] == peer.REFUSE


@BOTH
def test_who_is_not_enrolled_any_more(start, server_pub, kiosk, keys, kiosks, Client):
    server = start()
    session = Client(server.port, server_pub, kiosk).open().session
    kiosks.write_text(kiosk_line(keys.other_pub, "van-8") + "revoke van-7\n")
    read_anew(server, rb"event=kiosks_reloaded")
    with pytest.raises(Refused, match=f"{peer.SESSION}"):
        Client(server.port, server_pub).renew(session)
    kiosks.write_text(kiosk_line(keys.kiosk_pub, "van-7"))
    read_anew(server, rb"event=kiosks_reloaded")
    assert Client(server.port, server_pub).renew(session).ask([RAMESH]).kinds == [FOUND]


# --- time, and keys -------------------------------------------------------------------------------


def renewal_key(keys, secret, day):
    server, authority = (peer.key_id(peer.load_public(path)) for path in (keys.server_pub, keys.authority_pub))
    binding = peer.sha256(b"dlv session 2 tickets", server, authority)
    secret = hmac.digest(secret, b"dlv session 2 renewals", "sha256")
    return peer.hkdf(binding + struct.pack("<q", day), secret, b"dlv session 2 renewal key", 32)


def make_session(keys, secret, expires, chain_ends, day=None):
    """One of the enrolled kiosk's, whose renewal ticket was made by hand under the shared file."""
    key = renewal_key(keys, secret, int(time.time()) // DAY if day is None else day)
    key_id, nonce, session_key = hmac.digest(key, b"dlv session 2 ticket key id", "sha256")[:4], os.urandom(12), os.urandom(32)
    kiosk_id = peer.key_id(peer.load_public(keys.kiosk_pub))[:16]
    content = peer.renewal_secret(session_key) + kiosk_id + struct.pack("<qq", expires, chain_ends)
    renewal = key_id + nonce + peer.ChaCha20Poly1305(key).encrypt(nonce, content, key_id)
    return peer.Session(session_key, peer.grant(bytes(88), 0, 0, 1, renewal))


def is_renewed(server, server_pub, session):
    try:
        return TcpClient(server.port, server_pub).renew(session)
    except Refused as refused:
        assert refused.reason == peer.SESSION
        return None


def test_how_long(start, keys, server_pub, shared):
    server, secret, now = start("--ticket-key", shared), shared.read_bytes(), int(time.time())
    today = now // DAY
    good = is_renewed(server, server_pub, make_session(keys, secret, now + 60, now + 1000))
    assert 990 < good.session.renewal_lifetime <= 1000  # what is left of the chain
    assert is_renewed(server, server_pub, good.session).session.renewal_lifetime <= 1000
    for expires, chain_ends, day, is_good in (
            (now + 60, now + 7 * DAY, today, True), (now - 2, now + 7 * DAY, today, False),
            (now + 60, now - 1, today, False), (now + 26 * 3600 + 99, now + 60, today, False), (now + 60, now + 8 * DAY, today, False),
            (1 << 62, 1 << 62, today, False), (now + 60, now + 60, today - 2, True),
            (now + 60, now + 60, today + 1, True), (now + 60, now + 60, today - 4, False),
            (now + 60, now + 60, today + 3, False), (-1, now + 60, today, False), (now + 60, -1, today, False)):
        session = make_session(keys, secret, expires, chain_ends, day)
        assert bool(is_renewed(server, server_pub, session)) == is_good, (expires - now, chain_ends - now, day - today)
    # Not under a key of zeros, nor another file's.
    for other in bytes(32), os.urandom(32):
        assert not is_renewed(server, server_pub, make_session(keys, other, now + 60, now + 60))


def test_after_a_restart(start, keys, server_pub, kiosk, shared):
    """With a shared file nothing is lost; a server that has its own keys alone opens sessions anew."""
    own, one = start(), start("--ticket-key", shared)
    lost = TcpClient(own.port, server_pub, kiosk).open().session
    kept = TcpClient(one.port, server_pub, kiosk).open().session
    own.stop()
    one.stop()
    assert not is_renewed(start(), server_pub, lost)
    assert is_renewed(start("--ticket-key", shared), server_pub, kept).ask([RAMESH]).kinds == [FOUND]


def test_another_ticket_file(start, server_pub, kiosk, keys, shared):
    """A new file is no storm; but nothing that follows from the old one lasts for more than two days."""
    server, old = start("--ticket-key", shared), shared.read_bytes()
    first = TcpClient(server.port, server_pub, kiosk).open().session

    def change():
        shared.write_bytes(os.urandom(32))
        read_anew(server, rb"event=ticket_key_reloaded")
    change()
    now = int(time.time())
    for session in first, make_session(keys, old, now + 60, now + 7 * DAY):
        for _ in range(3):
            session = is_renewed(server, server_pub, session).session
            assert session.renewal_lifetime <= LIFE
    # Its end cannot be seen from outside but by waiting; the server's own unit test does.
    change()
    assert is_renewed(server, server_pub, session)
    assert not is_renewed(server, server_pub, first) and not is_renewed(server, server_pub, make_session(keys, old, now + 60, now + 60))


# --- a flood of openings ---------------------------------------------------------------------------


@BOTH
def test_strangers_use_up_nothing_of_it(start, server_pub, kiosk, Client):
    """Openings from this address, and in total, are over their limits; the kiosk there renews all the same, and opens a
    session when its chain has ended."""
    server = start("--openings", "8", per_source="1")
    session = Client(server.port, server_pub, kiosk).open().session

    def flood():
        """Until nobody else is let in."""
        for _ in range(200):
            try:
                Client(server.port, server_pub).open()
            except Refused as refused:
                assert refused.reason == peer.BUSY
                return True
        return False
    assert flood()
    for _ in range(5):
        client = Client(server.port, server_pub).renew(session)
        assert client.ask([RAMESH]).kinds == [FOUND]
        session = client.session
    assert flood()
    client = Client(server.port, server_pub, kiosk).open(shown=session)
    assert client.ask([RAMESH]).kinds == [FOUND]
    # What a listener replays, and what is made up, is a stranger's.
    assert flood()
    opening, replayer = peer.Opening(server_pub, shown=session), Client(server.port, server_pub)
    frame = opening.frame
    if Client is UdpClient:
        frame = opening.with_cookie(replayer.exchange(frame))
    assert replayer.exchange(frame)[4] == peer.ACCEPT
    replayer = Client(server.port, server_pub)
    if Client is UdpClient:
        frame = opening.with_cookie(replayer.exchange(opening.frame))
    assert flood()
    assert replayer.exchange(frame) == peer.refusal(peer.BUSY)
    with pytest.raises(Refused, match=f"{peer.BUSY}"):
        Client(server.port, server_pub).open(shown=peer.Session(bytes(32), peer.grant(bytes(88), 0, 0, 1, os.urandom(96))))
    with pytest.raises(Refused, match=f"{peer.BUSY}"):  # his ticket, but not his session
        Client(server.port, server_pub).open(shown=peer.Session(bytes(32), peer.grant(bytes(88), 0, 0, 1, session.renewal)))


def test_a_listener_spends_nothing(start, server_pub, kiosk):
    """Who replays what a kiosk has sent uses up nothing of it, and makes no network one where kiosks are."""
    server = start("--openings", "8", per_source="1")
    first = TcpClient(server.port, server_pub, kiosk).open().session
    renewing = peer.Opening(server_pub, session=first)
    session = renewing.finish(TcpClient(server.port, server_pub).exchange(renewing.frame))
    for _ in range(60):
        elsewhere = TcpClient.__new__(TcpClient)
        elsewhere.sock = socket.create_connection(("127.0.0.1", server.port), 10, source_address=("127.7.7.7", 0))
        elsewhere.exchange(renewing.frame)
        elsewhere.close()
    taken = 0
    for _ in range(60):
        stranger = TcpClient.__new__(TcpClient)
        stranger.sock = socket.create_connection(("127.0.0.1", server.port), 10, source_address=("127.7.7.8", 0))
        taken += stranger.exchange(peer.Opening(server_pub).frame)[4] == peer.ACCEPT
        stranger.close()
    assert taken <= 5 + 10  # a burst of one address, not sixteen times that
    for _ in range(10):
        session = TcpClient(server.port, server_pub).renew(session).session


def test_who_is_known_says_it_again(start, server_pub, kiosk):
    """A kiosk that has said who it is has no pass to say so without end."""
    server = start("--openings", "8", per_source="1")
    client = TcpClient(server.port, server_pub, kiosk).open()
    with pytest.raises(Refused, match=f"{peer.BUSY}"):
        for _ in range(200):
            client.identify()


def test_one_kiosk_is_limited(start, server_pub, kiosk):
    """One that renews without end soon has no more than a stranger."""
    server = start("--openings", "8", per_source="1")
    session = TcpClient(server.port, server_pub, kiosk).open().session
    renewed = 0
    with pytest.raises(Refused, match=f"{peer.BUSY}"):
        for renewed in range(200):
            TcpClient(server.port, server_pub).renew(session)
    assert 16 <= renewed < 60


# --- dlv's client ----------------------------------------------------------------------------------


def frames_of(dlv, keys, port, state, *options, **how):  # noqa: F811
    """The types of the frames of one question, each way."""
    sent, received = [], []
    with Between(port, lambda data: sent.append(data) or [(0, data)], lambda data: received.append(data) or [(0, data)]) as between:
        done = dlv(*arguments(keys, between.port, state, "--udp", *options), **how)
        assert json.loads(done.out)["verdict"] == "VALID"
    return [data[4] for data in sent], [data[4] for data in received]


def test_a_client_the_next_day(release, begin, keys, state):  # noqa: F811
    """Two round trips, and no RSA, as long as the last session is not a day old; then another one is opened, and shows
    the ticket."""
    server, shifted = begin(), Dlv(SHIFTED, False)

    def after(seconds):
        return frames_of(shifted, keys, server.port, state, env={"DLV_CLOCK_SHIFT": str(seconds), "DLV_BUILT": "0"})
    sent, _ = after(0)
    assert peer.OPEN in sent and peer.IDENTIFY in sent
    assert after(0) == ([peer.ASK], [peer.ANSWER])
    assert after(3600) == ([peer.RENEW, peer.ASK], [peer.ACCEPT, peer.ANSWER])
    assert after(3600) == ([peer.ASK], [peer.ANSWER])
    assert after(3600 + 24 * 3600) == ([peer.RENEW, peer.ASK], [peer.ACCEPT, peer.ANSWER])
    assert server.counted(1, 2) is True
    # The clock was set back: nobody knows how old it is, so the server is asked.
    assert after(0) == ([peer.RENEW, peer.ASK], [peer.ACCEPT, peer.ANSWER])
    assert server.counted(1, 3) is True
    sent, _ = after(3600 + 24 * 3600 + 26 * 3600)
    assert peer.RENEW not in sent and peer.OPEN in sent
    assert server.counted(2, 3) is True


def test_a_client_that_stays(release, keys, kiosk, small_db):
    """A server whose tickets last for two seconds: the client that goes on asking renews its session, and opens one anew
    where that is refused."""
    core = peer.Core(peer.load_private(keys.server), dbformat.Database(small_db, dbformat.load_key(keys.authority)),
                     [peer.load_public(keys.kiosk_pub)], is_anonymous_allowed=False)
    make_grant = core.grant
    core.grant = lambda *how: (lambda granted: granted[:88] + struct.pack("<I", 2) + granted[92:])(make_grant(*how))
    with peer.TcpServer(core) as server:
        process = subprocess.Popen([release.path, "client", "--server", f"127.0.0.1:{server.port}", "--server-key",
                                    keys.server_pub, "--key", keys.kiosk, "--number", "-"],
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

        def question():
            process.stdin.write("GJ05-1234\n")
            process.stdin.flush()
            assert process.stdout.readline().startswith("VALID")
        question()
        for renewed in range(3):
            assert (core.opened, core.renewed) == (1, renewed)
            time.sleep(2)
            question()
        core.renewals.clear()  # as a server that has been started anew
        time.sleep(2)
        question()
        assert (core.opened, core.renewed) == (2, 3)
        process.stdin.close()
        assert process.wait(10) == 0


def test_a_refusal_that_is_forged(release, begin, keys, state):  # noqa: F811
    """Over UDP anybody can say REFUSE: the true answer counts."""
    server, shifted = begin(), Dlv(SHIFTED, False)
    frames_of(release, keys, server.port, state)
    forged = []

    def down(data):
        if data[4] == peer.ACCEPT and not forged:
            forged.append(True)
            return [(0, peer.refusal(peer.SESSION)), (0.3, data)]
        return [(0, data)]
    with Between(server.port, lambda data: [(0, data)], down) as between:
        done = shifted(*arguments(keys, between.port, state, "--udp"), env={"DLV_CLOCK_SHIFT": "3600", "DLV_BUILT": "0"})
    assert forged and json.loads(done.out)["verdict"] == "VALID"
    assert server.counted(1, 1, 2) is True  # it may have sent its frame again, but has opened no other one


def rolled(keys, small_db):
    """A server that has another key by now, and says so."""
    return peer.Core(peer.load_private(keys.other), dbformat.Database(small_db, dbformat.load_key(keys.authority)),
                     [peer.load_public(keys.kiosk_pub)], is_anonymous_allowed=False)


def test_a_key_roll_and_a_silent_server(release, begin, keys, state, small_db):  # noqa: F811
    """The session that is kept is of a key that one server does not have any more, and the other server says nothing."""
    server, shifted = begin(), Dlv(SHIFTED, False)
    silent = socket.create_server(("127.0.0.1", 0))
    frames_of(release, keys, server.port, state)
    core = rolled(keys, small_db)
    with peer.TcpServer(core) as other:
        arguments_of = arguments(keys, other.port, state, "--server-key", keys.other_pub, "--timeout", "4")
        arguments_of[2] = f"127.0.0.1:{other.port},127.0.0.1:{silent.getsockname()[1]}"
        done = shifted(*arguments_of, env={"DLV_CLOCK_SHIFT": "7200", "DLV_BUILT": "0"})
        assert json.loads(done.out)["verdict"] == "VALID" and core.opened == 1
    silent.close()


def test_a_renewal_that_is_lost(release, begin, keys, state):  # noqa: F811
    """Its answer does not arrive, and strangers have used up what there is for this address: another frame does it."""
    server, shifted = begin("--openings", "8", per_source="1"), Dlv(SHIFTED, False)
    frames_of(release, keys, server.port, state)
    for _ in range(100):
        TcpClient(server.port, peer.load_public(keys.server_pub)).exchange(peer.Opening(peer.load_public(keys.server_pub)).frame)
    dropped = []

    def down(data):
        if data[4] == peer.ACCEPT and not dropped:
            return dropped.append(data) or []
        return [(0, data)]
    with Between(server.port, lambda data: [(0, data)], down) as between:
        done = shifted(*arguments(keys, between.port, state, "--udp", "--timeout", "6"), env={"DLV_CLOCK_SHIFT": "3600", "DLV_BUILT": "0"})
    assert dropped and json.loads(done.out)["verdict"] == "VALID"


def test_a_session_that_the_server_has_ended(release, begin, keys, state):  # noqa: F811
    """By its clock, the ticket's hour is over: the client, who thinks otherwise, renews, and does no RSA."""
    shared = state.parent / "tickets"
    shared.write_bytes(os.urandom(32))
    shared.chmod(0o600)
    server = begin("--ticket-key", shared)
    frames_of(release, keys, server.port, state)
    server.stop()
    ahead = Dlv(SHIFTED, False)
    os.environ.update({"DLV_CLOCK_SHIFT": "7200", "DLV_BUILT": "0"})
    try:
        server = begin("--ticket-key", shared, binary=ahead)
    finally:
        del os.environ["DLV_CLOCK_SHIFT"], os.environ["DLV_BUILT"]
    sent, received = frames_of(release, keys, server.port, state, "--max-skew", "100000")
    assert peer.RENEW in sent and peer.OPEN not in sent and received[-1] == peer.ANSWER
