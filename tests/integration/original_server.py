"""The server that dlv replaces, re-created from its description: one connection, then the end."""

import socket
import sys

from Cryptodome.Cipher import PKCS1_OAEP
from Cryptodome.PublicKey import RSA


def serve_once(listener, digests, bits, key=None):
    key = key or RSA.generate(bits)
    client, _ = listener.accept()
    with client:
        if client.recv(1024) != b"Client: OK":
            return
        client.sendall(key.publickey().exportKey())
        question = PKCS1_OAEP.new(key).decrypt(client.recv(1024)).decode()
        if question in digests:
            client.sendall(b"Server: This person has valid license")
        else:
            client.sendall(b"Server: Invalid : Catch him/her")
        if client.recv(1024) == b"Quit":
            client.sendall(b"Server stopped\n")


if __name__ == "__main__":
    with socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET) as listening:
        listening.bind((sys.argv[1], 0))
        listening.listen()
        print(listening.getsockname()[1], flush=True)
        serve_once(listening, set(sys.argv[3:]), int(sys.argv[2]))
