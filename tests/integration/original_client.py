"""The client that dlv replaces, re-created from its description: PyCryptodome, one recv a step."""

import hashlib
import socket
import sys

from Cryptodome.Cipher import PKCS1_OAEP
from Cryptodome.PublicKey import RSA


def ask(host, port, record, timeout=30):
    """The server's answer as it came, and its last words."""
    with socket.create_connection((host, port), timeout) as server:
        server.sendall(b"Client: OK")
        key = RSA.importKey(server.recv(1024))
        digest = hashlib.sha256(record.encode()).hexdigest()
        server.sendall(PKCS1_OAEP.new(key).encrypt(digest.encode()))
        answer = server.recv(1024)
        server.sendall(b"Quit")
        stopped = server.recv(1024)
        return answer.decode(), stopped.decode()


if __name__ == "__main__":
    print(*ask(sys.argv[1], int(sys.argv[2]), sys.argv[3]), sep="\n")
