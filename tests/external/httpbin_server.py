"""Serves httpbin on a free port of 127.0.0.1 until stdin closes.

Prints `listening <port>` once it accepts connections. A test run that dies
closes our stdin, so nothing is left behind.
"""

import logging
import os
import sys
import threading

logging.disable(logging.WARNING)

import httpbin  # noqa: E402  (it warns on import)
import waitress  # noqa: E402


def exit_with_stdin():
    while sys.stdin.buffer.read(4096):
        pass
    os._exit(0)


# waitress takes chunked request bodies (and hands httpbin a length), keeps
# connections open, streams answers, and lets a thread sleep in /delay.
server = waitress.create_server(httpbin.app, listen="127.0.0.1:0", threads=16)
threading.Thread(target=exit_with_stdin, daemon=True).start()
print("listening", server.effective_port, flush=True)
server.run()
