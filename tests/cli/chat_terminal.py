#!/usr/bin/env python3
"""chat_terminal - types into `arcane chat` through a terminal of its own.

usage: chat_terminal.py MODEL      ($ARCANE is the program)

What only a terminal shows: characters beyond ASCII, a paste of many lines, what
commands say, dimmed thinking and NO_COLOR, a line that Ctrl-C drops.
"""
import json
import os
import pty
import select
import signal
import sys
import time

program, model = os.environ["ARCANE"], sys.argv[1]
passed = failed = 0


def holds(name, good, seen=b""):
    global passed, failed
    passed, failed = passed + bool(good), failed + (not good)
    if not good:
        print(f"FAILED: {name}: {seen[-300:]!r}")


class Terminal:
    def __init__(self, *options, **variables):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ.pop("NO_COLOR", None)
            os.environ.update(variables, TERM="xterm", LC_ALL="C")
            command = [program, "chat", model, "--temp", "0", "-t", "1"]
            os.execv(program, command + list(options))
        self.seen = b""
        self.wait(b"> ")

    def wait(self, word, limit=60):
        """Reads until the word has come; what came since the last time."""
        end = time.monotonic() + limit
        while word not in self.seen and time.monotonic() < end:
            if select.select([self.fd], [], [], 0.1)[0]:
                try:
                    more = os.read(self.fd, 65536)
                except OSError:
                    more = b""
                if not more:
                    break
                self.seen += more
        at = self.seen.find(word)
        at = len(self.seen) if at < 0 else at + len(word)
        out, self.seen = self.seen[:at], self.seen[at:]
        return out

    def send(self, text):
        time.sleep(0.2)  # longer than what counts as one paste
        os.write(self.fd, text.encode())

    def say(self, text, word=b"\n> "):
        self.send(text + "\r")
        return self.wait(word)

    def leave(self):
        self.send("\x04")
        end = time.monotonic() + 30
        while time.monotonic() < end:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
            if select.select([self.fd], [], [], 0.1)[0]:
                try:
                    os.read(self.fd, 65536)
                except OSError:
                    pass
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        return None


def turns(terminal):
    terminal.say("/save turns.json")
    with open("turns.json") as f:
        return [t["content"] for t in json.load(f) if t["role"] == "user"]


t = Terminal("-n", "4")
typed = "grüße 😀 日本"
out = t.say(typed)
holds("a cut answer is told", b"(the answer ends here, at 4 tokens" in out, out)
holds("any character", turns(t) == [typed], repr(turns(t)).encode())
out = t.say("/undo")
holds("/undo says so", b"(the last question" in out, out)
out = t.say("/undo")
holds("nothing to undo", b"nothing to undo" in out, out)
out = t.say("/set temp 0.5")
holds("/set says so", b"(temp is 0.5)" in out, out)
out = t.say("/set")
holds("/set alone", b"temp                 0.5" in out, out)
out = t.say("/save /none/there")
holds("no place to save", b"/none/there" in out, out)
paste = ["first line", "", "second line", "third"]
out = t.say("\r".join(paste))
told = turns(t)
holds("a paste is one text", told == ["\n".join(paste)], out + repr(told).encode())
t.send("not this\x03")
out = t.wait(b"> ")
out = t.say("/stats")
holds("a line that Ctrl-C dropped", b"(speed and context" in out, out)
holds("it leaves", t.leave() == 0)

with open("think.gbnf", "w") as f:
    f.write('root ::= "<think>ab</think>" "c"\n')
for color in (True, False):
    t = Terminal("--grammar", "think.gbnf", **({} if color else {"NO_COLOR": "1"}))
    out = t.say("Hello")
    wanted = b"\x1b[2m<think>ab</think>\x1b[0mc" if color else b"\n<think>ab</think>c"
    holds(f"thinking, color {color}", wanted in out, out)
    t.leave()

print(f"{passed} passed, {failed} failed")
sys.exit(failed > 0)
