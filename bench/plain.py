"""A plain socket that does for one call what the service does for all: hangs the new phone up when the caller is gone.

``python -m bench.plain PORT USER SECRET UNIQUEID``, with the manager user of the service, whose events are filtered.
"""

import socket
import sys


def main() -> None:
    """Log in, say so, and wait for the two events that count."""
    port, username, secret, source = sys.argv[1:]
    with socket.create_connection(("127.0.0.1", int(port)), 30) as ami:
        heard = b""

        def event(name: bytes, line: bytes) -> dict[bytes, bytes]:
            """The next event of this name that has a line which begins like that."""
            nonlocal heard
            while True:
                block, end, rest = heard.partition(b"\r\n\r\n")
                if not end:
                    heard += ami.recv(65536)
                    continue
                heard = rest
                if block.startswith(b"Event: " + name + b"\r\n") and b"\r\n" + line in block:
                    return dict(one.split(b": ", 1) for one in block.split(b"\r\n") if b": " in one)

        login = f"Action: Login\r\nUsername: {username}\r\nSecret: {secret}\r\nEvents: call\r\n\r\n"
        ami.sendall(login.encode())
        while b"Authentication accepted" not in heard:
            heard += ami.recv(4096)
        print("watching", flush=True)
        born = event(b"Newchannel", b"Channel: PJSIP/0003*024-")
        event(b"Hangup", b"Uniqueid: %b\r\n" % source.encode())
        ami.sendall(b"Action: Hangup\r\nChannel: %b\r\nCause: 16\r\n\r\n" % born[b"Channel"])
        while b"Response: " not in heard:
            heard += ami.recv(4096)


if __name__ == "__main__":
    main()
