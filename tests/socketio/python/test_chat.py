"""A second implementation of the client, python-socketio, against a real server: two users chat over every choice of
transports, wrong tokens are refused, failures are reported. Started by scripts/test with PARLOR_BIN."""

import contextlib
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import unittest
import urllib.request

import socketio

DEADLINE = 15
TRANSPORTS = {"default": None, "websocket": ["websocket"], "polling": ["polling"]}


def free_of_parlor():
    return {name: value for name, value in os.environ.items() if not name.startswith("PARLOR_")}


class Server:
    def __init__(self):
        self.dir = tempfile.TemporaryDirectory()
        settings = {
            "PARLOR_LISTEN": "127.0.0.1:0",
            "PARLOR_DATA_DIR": self.dir.name,
            "PARLOR_RATE_LIMITS": "off",
        }
        self.process = subprocess.Popen(
            [os.environ["PARLOR_BIN"], "serve"],
            env={**free_of_parlor(), **settings},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for line in self.process.stdout:
            if "Parlor is listening on" in line:
                self.url = line.split()[-1]
                break
        else:
            raise AssertionError("the server ended")
        threading.Thread(target=self.process.stdout.read, daemon=True).start()

    def stop(self):
        self.process.kill()
        self.process.wait(DEADLINE)
        self.process.stdout.close()
        self.dir.cleanup()

    def call(self, method, path, body=None, token=None):
        headers = {"content-type": "application/json"}
        if token:
            headers["authorization"] = f"Bearer {token}"
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=DEADLINE) as answer:
            return json.load(answer)

    def person(self, name):
        answer = self.call("POST", "/api/auth/register", {"username": name, "password": "correct horse battery"})
        return answer["token"], answer["user"]["id"]


class Tab:
    """A connected client; everything that it is told goes into one queue."""

    def __init__(self, server, token, transports):
        self.told = queue.Queue()
        self.client = socketio.Client(reconnection=False)
        self.client.on("*", lambda event, *args: self.told.put((event, args)))
        self.client.connect(server.url, auth={"token": token}, transports=transports, wait_timeout=DEADLINE)

    def sees(self, wanted):
        while True:
            event, args = self.told.get(timeout=DEADLINE)
            if event == wanted:
                # A handler takes the data and nothing else: in Python another argument is an error.
                assert len(args) == 1, args
                return args[0]

    def asks(self, event, data):
        return self.client.call(event, data, timeout=DEADLINE)


class ChatTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server()
        cls.serial = 0

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    @contextlib.contextmanager
    def pair(self, transports):
        ChatTest.serial += 1
        alice, _ = self.server.person(f"alice{self.serial}")
        bob, bob_id = self.server.person(f"bob{self.serial}")
        path = "/api/conversations/find-or-create"
        chat = self.server.call("POST", path, {"otherUserId": bob_id}, alice)["conversationId"]
        tabs = [Tab(self.server, token, transports) for token in (alice, bob)]
        try:
            yield chat, *tabs
        finally:
            for tab in tabs:
                tab.client.disconnect()

    def test_two_users_chat(self):
        for name, transports in TRANSPORTS.items():
            with self.subTest(name), self.pair(transports) as (chat, alice, bob):
                self.assertEqual(alice.client.get_sid(), alice.sees("ready")["sessionId"])
                texts = [f"hello {i} \u2028 \U0001f600" for i in range(200)]
                for text in texts:
                    answer = alice.asks("send_message", {"conversationId": chat, "content": text})
                    self.assertTrue(answer["ok"], answer)
                seen = [bob.sees("new_message") for _ in texts]
                self.assertEqual([message["content"] for message in seen], texts)
                self.assertEqual([message["seq"] for message in seen], list(range(1, 201)))
                if name == "default":
                    self.assertEqual(bob.client.transport(), "websocket")

    def test_failures_are_reported(self):
        for name, transports in TRANSPORTS.items():
            with self.subTest(name), self.pair(transports) as (chat, alice, _):
                answer = alice.asks("send_message", {"conversationId": chat, "content": b"\x00\x01"})
                self.assertEqual(answer["error"]["code"], "VALIDATION_ERROR")
                alice.client.emit("send_message", {})
                self.assertEqual(alice.sees("error")["event"], "send_message")

    def test_a_wrong_token_is_refused(self):
        for name, transports in TRANSPORTS.items():
            with self.subTest(name):
                told = queue.Queue()
                client = socketio.Client(reconnection=False)
                client.on("connect_error", told.put)
                with self.assertRaises(socketio.exceptions.ConnectionError):
                    client.connect(
                        self.server.url, auth={"token": "nonsense"}, transports=transports, wait_timeout=DEADLINE
                    )
                self.assertEqual(told.get(timeout=DEADLINE)["data"]["code"], "UNAUTHORIZED")


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
