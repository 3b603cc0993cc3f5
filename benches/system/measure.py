#!/usr/bin/env python3
"""The budgets of the whole program, measured: called by `benches/system/run`, which says what is needed.

The gateway under test is the packaged binary. It talks to the twins through a proxy of ours that speaks TLS and notes
when an answer passed, and to a mosquitto whose messages this script takes. Exit 1 where a bar is missed.
"""
import argparse
import asyncio
import datetime as dt
import json
import os
import re
import signal
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

import paho.mqtt.client as mqtt

PEOPLE, BOOKINGS, EVENTS, QUEUED, DRAINED = 2_000, 10_000, 40, 10_000, 100_000
CHANGES_S, RATE, ROOMS = 10, 4, range(551, 571)
LOCATION = 4711
# What the unit sets.
UNIT = dict(word.split("=") for line in Path("systemd/gatehouse.service").read_text().splitlines()
            if line.startswith("Environment=MALLOC") for word in line.removeprefix("Environment=").split())
ROOT = "gatehouse/bench"
rows = []


def row(what, figure, goal, kept):
    """One line of the table. `kept` is None where nothing is asked."""
    rows.append((what, figure, goal, kept))
    word = {True: "kept", False: "MISSED", None: ""}[kept]
    print(f"{what:<58} {figure:>26}  {goal:<34} {word}", flush=True)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def until(what, seconds, found):
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        if (value := found()) is not None:
            return value
        time.sleep(0.02)
    sys.exit(f"waited {seconds} s in vain for {what}")


def http(url, body=None, method=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"content-type": "application/json"}, method=method)
    with urllib.request.urlopen(request) as answer:
        text = answer.read()
        return json.loads(text) if text else None


class Proxy:
    """TLS before a twin. `passed` holds when answers with events went by: the last of a reading is what is waited for."""

    def __init__(self, twin, context):
        self.twin, self.port, self.passed = twin, free_port(), []
        ready = threading.Event()
        threading.Thread(target=lambda: asyncio.run(self.serve(context, ready)), daemon=True).start()
        ready.wait()

    async def serve(self, context, ready):
        server = await asyncio.start_server(self.carry, "127.0.0.1", self.port, ssl=context)
        ready.set()
        await server.serve_forever()

    async def carry(self, outside_in, outside_out):
        inside_in, inside_out = await asyncio.open_connection("127.0.0.1", self.twin)

        async def copy(source, sink, look):
            try:
                while chunk := await source.read(65_536):
                    if look and b'"uuid"' in chunk:
                        self.passed.append(time.monotonic())
                    sink.write(chunk)
                    await sink.drain()
            except (ConnectionError, ssl.SSLError):
                pass
            sink.close()

        await asyncio.gather(copy(outside_in, inside_out, False), copy(inside_in, outside_out, True))


class Broker:
    """A mosquitto, and what it hands to a subscriber."""

    def __init__(self, directory):
        self.port, self.seen, self.last, self.process = free_port(), [], {}, None
        self.conf = directory / "mosquitto.conf"
        lines = f"user root\npersistence false\nlistener {self.port} 127.0.0.1\nallow_anonymous true\n"
        self.conf.write_text(lines + "max_queued_messages 0\n")
        self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
        self.client.on_connect = lambda client, *_: client.subscribe("#", qos=0)
        self.client.on_message = self.take
        self.start()
        self.client.connect("127.0.0.1", self.port)
        self.client.loop_start()

    def take(self, _client, _data, message):
        self.seen.append((time.monotonic(), message.topic, message.payload))
        self.last[message.topic] = message.payload

    def start(self):
        command = ["mosquitto", "-c", str(self.conf)]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until("mosquitto", 10, lambda: True if socket.socket().connect_ex(("127.0.0.1", self.port)) == 0 else None)

    def stop(self):
        self.process.kill()
        self.process.wait()

    def status(self):
        payload = self.last.get(f"{ROOT}/status")
        return json.loads(payload) if payload else None


class Gateway:
    """The packaged binary under `NOTIFY_SOCKET`."""

    def __init__(self, binary, directory, env):
        self.binary, self.directory, self.env, self.process = binary, directory, env, None

    def start(self):
        """Starts it; gives the milliseconds until READY=1."""
        path = self.directory / f"notify-{time.monotonic_ns()}"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notices:
            notices.bind(str(path))
            notices.settimeout(30)
            env = {**os.environ, **UNIT, **self.env, "NOTIFY_SOCKET": str(path), "RUST_LOG": "warn"}
            command = [self.binary, "--config", str(self.directory / "gatehouse.toml"), "run"]
            log = open(self.directory / "log", "ab")
            began = time.perf_counter()
            self.process = subprocess.Popen(command, env=env, stdout=log, stderr=log)
            while b"READY=1" not in notices.recv(4_096):
                pass
            return (time.perf_counter() - began) * 1_000

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        if (status := self.process.wait(20)) != 0:
            sys.exit(f"the gateway did not end well: {status}")

    def memory(self, what):
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(rf"{what}:\s+(\d+) kB", text)[1]) / 1_024

    def cpu(self):
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def written(self):
        return int(re.search(r"^write_bytes: (\d+)", Path(f"/proc/{self.process.pid}/io").read_text(), re.M)[1])


def certificates(directory):
    script = """set -e
    new() { openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout $1.key -out $1.csr -subj /CN=$1; }
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem -subj /CN=ca
    new twin; printf subjectAltName=DNS:localhost > ext
    openssl x509 -req -in twin.csr -CA ca.pem -CAkey ca.key -CAcreateserial -extfile ext -out twin.pem"""
    subprocess.run(["sh", "-c", script], cwd=directory, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "twin.pem", directory / "twin.key")
    return context


class Site:
    """The twins of both clouds with the site of the budgets in them."""

    def __init__(self, binary, directory):
        self.nexudus, self.kisi = free_port(), free_port()
        self.config = directory / "sample"
        command = [binary, "twins", "--nexudus", f"127.0.0.1:{self.nexudus}", "--kisi", f"127.0.0.1:{self.kisi}",
                   "--write-config", str(self.config)]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until("the twins", 20, lambda: True if (self.config / "gatehouse.toml").exists() else None)
        until("the twins", 20, lambda: True if socket.socket().connect_ex(("127.0.0.1", self.kisi)) == 0 else None)
        sample = (self.config / "gatehouse.toml").read_text()
        links = re.findall(r"resource = (\d+)\ngroup = (\d+)", sample)
        self.links = {int(resource): int(group) for resource, group in links if int(resource) in ROOMS}
        self.user = re.search(r'username = "([^"]+@[^"]+)"', sample)[1]
        self.password = (self.config / "nexudus-password").read_text().strip()
        self.key = (self.config / "kisi-api-key").read_text().strip()
        self.lock = next(lock["id"] for lock in self.state()["locks"])
        self.users, self.customers = [], []
        for n in range(PEOPLE):
            email = f"bench{n}@members.example"
            person = {"Id": 5_000_000 + n, "FullName": f"Bench {n}", "Email": email, "InvoicingBusinessId": LOCATION}
            self.customers.append(self.record("Coworker", person))
            self.users.append(http(f"http://127.0.0.1:{self.kisi}/_twin/users", {"email": email, "name": f"Bench {n}"}))
        begins, rooms = self.now() + dt.timedelta(hours=2), sorted(self.links)
        for n in range(BOOKINGS):
            # Spread over four weeks: some 360 a day.
            self.book(n % PEOPLE, rooms[n % len(rooms)], begins + dt.timedelta(minutes=n * 7_919 % 40_320))

    def now(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.kisi}/_twin/switches") as answer:
            return dt.datetime.strptime(answer.headers["Date"], "%a, %d %b %Y %H:%M:%S GMT")

    def state(self):
        return http(f"http://127.0.0.1:{self.kisi}/_twin/state")

    def record(self, entity, fields):
        return http(f"http://127.0.0.1:{self.nexudus}/_twin/records/{entity}", fields)

    def book(self, person, room, begins):
        times = {"FromTime": f"{begins:%Y-%m-%dT%H:%M:%SZ}", "ToTime": f"{begins + dt.timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"}
        return self.record("Booking", {"ResourceId": room, "CoworkerId": 5_000_000 + person, "Tentative": False,
                                       "Online": True, **times})

    def tap(self, n):
        user = self.users[n % PEOPLE]
        return http(f"http://127.0.0.1:{self.kisi}/_twin/taps", {"user": user["id"] if isinstance(user, dict) else user,
                                                                 "lock": self.lock})

    def calls(self):
        return http(f"http://127.0.0.1:{self.kisi}/_twin/history/requests")

    def settings(self, directory, broker, proxies):
        links = "".join(f"[[link]]\nresource = {resource}\ngroup = {group}\n" for resource, group in self.links.items())
        for name, text in [("nexudus-password", self.password), ("kisi-api-key", self.key)]:
            (directory / name).write_text(text)
            (directory / name).chmod(0o600)
        (directory / "gatehouse.toml").write_text(f"""[site]
id = "bench"
timezone = "Europe/London"
[nexudus]
url = "https://localhost:{proxies[0].port}/api"
location = {LOCATION}
username = "{self.user}"
password = {{ file = "nexudus-password" }}
changes = "{CHANGES_S}s"
horizon = "28d"
[kisi]
url = "https://localhost:{proxies[1].port}"
api_key = {{ file = "kisi-api-key" }}
requests_per_second = {RATE}
[mqtt]
url = "mqtt://127.0.0.1:{broker.port}"
[web]
listen = "off"
[store]
directory = "{directory}/store"
{links}""")


def percentile(values, percent):
    return sorted(values)[(len(values) - 1) * percent // 100]


def main():
    arguments = argparse.ArgumentParser()
    for name in ["gateway", "twins", "bare", "peer"]:
        arguments.add_argument(name)
    arguments.add_argument("--idle", type=int, default=180, help="seconds of idling that are watched")
    arguments = arguments.parse_args()
    directory = Path(tempfile.mkdtemp(prefix="gatehouse-bench-"))
    context, broker = certificates(directory), Broker(directory)
    site = Site(arguments.twins, directory)
    proxies = [Proxy(site.nexudus, context), Proxy(site.kisi, context)]
    site.settings(directory, broker, proxies)
    gateway = Gateway(arguments.gateway, directory, {"SSL_CERT_FILE": str(directory / "ca.pem")})

    def bare(*words):
        return subprocess.run([arguments.bare, *map(str, words)], check=True, capture_output=True, text=True).stdout

    size = os.path.getsize(arguments.gateway) / 1e6
    row(f"binary as packaged, {os.uname().machine}", f"{size:.2f} MB", "<= 6 MB on ARM", None)

    first_sync(gateway, broker, site)
    booked(broker, site)
    commit, trip = (float(bare(*words).split()[1]) for words in (["commit", directory, 2_000], ["round-trip", broker.port, 2_000]))
    events(broker, site, proxies[1], commit, trip)
    rest = gateway.memory("VmRSS")
    idle(gateway, site, arguments.idle)
    gateway.stop()

    took = []
    for _ in range(20):
        took.append(gateway.start())
        gateway.stop()
    row("exec until READY=1, warm store, median of 20", f"{statistics.median(took):.1f} ms", "<= 25 ms",
        statistics.median(took) <= 25)

    broker.stop()
    bare("fill", directory / "store", QUEUED)
    gateway.start()
    until("the queue to be seen", 60, lambda: True if gateway.memory("VmRSS") else None)
    time.sleep(30)
    queued, peak = gateway.memory("VmRSS"), gateway.memory("VmHWM")
    row("memory at rest", f"{rest:.1f} MB", "<= 12 MB", rest <= 12)
    row(f"memory with {QUEUED} events queued", f"{queued:.1f} MB, peak {peak:.1f}", "<= 24 MB at most", peak <= 24)
    gateway.stop()

    bare("fill", directory / "store", DRAINED)
    broker.start()
    until("a subscriber", 30, lambda: True if broker.client.is_connected() else None)
    alone = float(bare("drain", broker.port, 50_000))
    broker.seen.clear()
    gateway.start()
    drained = lambda: [at for at, topic, _ in broker.seen if "/event" in topic]
    until("the outbox to drain", 900, lambda: True if len(drained()) >= DRAINED else None)
    times = drained()
    rate = (len(times) - 1) / (times[-1] - times[0])
    row(f"outbox of {DRAINED} drained", f"{rate:.0f}/s, bare {alone:.0f}/s", ">= 0.5 of bare", rate >= 0.5 * alone)
    gateway.stop()
    site.process.kill()
    peer(arguments, directory, broker)
    broker.stop()
    missed = [what for what, _, _, kept in rows if kept is False]
    print(f"\n{len(rows)} lines, {len(missed)} missed" + "".join(f"\n  missed: {what}" for what in missed))
    sys.exit(1 if missed else 0)


def first_sync(gateway, broker, site):
    gateway.start()
    settled = lambda: (lambda s: s if s and s["counts"]["people"] >= PEOPLE and s["counts"]["pending"] == 0 else None)(
        broker.status())
    until("the first pass", 900, settled)
    added = [(at, payload) for at, topic, payload in broker.seen if topic == f"{ROOT}/membership"]
    wall = added[-1][0] - added[0][0]
    made = lambda path: len([call for call in site.calls() if (call["method"], call["path"]) == ("POST", path)])
    calls = [call for call in site.calls() if call["path"].startswith(("/users", "/role_assignments"))]
    # A roster is read by the page. A new person is looked up by the same path first.
    pages = [call for call in calls if call["method"] == "GET" and call["path"] in ("/users", "/role_assignments")]
    new, rows_made = made("/users"), made("/role_assignments")
    asked, needed = len(calls) - len(pages) + new, rows_made + 3 * new
    row(f"calls for {rows_made} additions and {new} new people", f"{asked}", f"<= 1.05 x {needed}", asked <= 1.05 * needed)
    # Events are read meanwhile, at their own pace and within the same quota.
    began, ended = (next(call["at"] for call in order if call["path"] == "/role_assignments" and call["method"] == "POST")
                    for order in (site.calls(), reversed(site.calls())))
    reading = len([call for call in site.calls() if call["path"].startswith("/event_sets") and began <= call["at"] <= ended])
    ideal = (asked + reading) / RATE
    row(f"  their time at the quota, with {reading} for events", f"{wall:.0f} s", f"<= 1.1 x {ideal:.0f} s", wall <= 1.1 * ideal)


def booked(broker, site):
    took = []
    for n in range(5):
        before = len(broker.seen)
        began = time.monotonic()
        site.book(n, sorted(site.links)[n], site.now() + dt.timedelta(minutes=70 + n))
        added = lambda: next((at for at, topic, _ in broker.seen[before:] if topic == f"{ROOT}/membership"), None)
        took.append(until("the booking", 60, added) - began)
    row("booking made until in Kisi, worst of 5", f"{max(took):.1f} s", f"<= {CHANGES_S} + 2 s",
        max(took) <= CHANGES_S + 2)


def events(broker, site, proxy, commit, trip):
    before = len(broker.seen)
    for n in range(EVENTS):
        site.tap(n)
        time.sleep(0.7)
    def came():
        found = {}
        for at, topic, payload in broker.seen[before:]:
            if "/door/" in topic and topic.endswith("/event"):
                found.setdefault(json.loads(payload)["uuid"], at)
        return found if len(found) >= EVENTS else None
    arrived = until("the events", 60, came).values()
    lags = [(at - max(passed for passed in proxy.passed if passed < at)) * 1_000 for at in arrived]
    goal = 2 * (commit + trip)
    row("event read from Kisi until at the subscriber, p99", f"{percentile(lags, 99):.1f} ms (half {percentile(lags, 50):.1f})",
        f"<= 2 x ({commit:.1f} + {trip:.1f}) ms", percentile(lags, 99) <= goal)


def idle(gateway, site, seconds):
    # What comes after a change, as a whole reading, is let go by.
    time.sleep(CHANGES_S * 3)
    trace = subprocess.Popen(["strace", "-f", "-qq", "-e", "trace=fsync,fdatasync,msync,sync_file_range", "-p",
                              str(gateway.process.pid)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    time.sleep(1)
    cpu, written, writes, began = gateway.cpu(), gateway.written(), len(site.calls()), time.monotonic()
    time.sleep(seconds)
    spent = (gateway.cpu() - cpu) * 3_600 / (time.monotonic() - began)
    wrote = (gateway.written() - written) * 86_400 / seconds / 1e6
    changes = [c for c in site.calls()[writes:] if c["method"] != "GET" and not c["path"].startswith(("/event_sets", "/_twin"))]
    trace.send_signal(signal.SIGINT)
    syncs = len(trace.communicate()[1].splitlines())
    row("processor time of an idle hour, TLS on", f"{spent:.1f} s", "<= 20 s", spent <= 20)
    row("written in an idle day", f"{wrote:.2f} MB", "< 1 MB", wrote < 1)
    row(f"syncs in {seconds} idle seconds", f"{syncs}", "1 an hour", syncs <= 1)
    row("writes of a pass with nothing to do", f"{len(changes)}", "0", not changes)


def peer(arguments, directory, broker):
    """The plain script, on a site of its own."""
    home = directory / "peer"
    home.mkdir()
    site = Site(arguments.twins, home)
    command = [sys.executable, arguments.peer, f"http://127.0.0.1:{site.nexudus}/api", f"http://127.0.0.1:{site.kisi}",
               str(broker.port), site.user, site.password, site.key, str(home / "peer.db"),
               *(f"{resource}={group}" for resource, group in site.links.items())]
    script = Gateway(sys.executable, home, {})
    began = time.monotonic()
    script.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    for line in script.process.stdout:
        if line.startswith("synced"):
            break
    wall, cpu = time.monotonic() - began, script.cpu()
    made = len([c for c in site.calls() if c["method"] == "POST" and c["path"] == "/role_assignments"])
    row("a plain script of the same job: memory", f"{script.memory('VmHWM'):.1f} MB", "", None)
    row(f"  its first pass, {made} additions", f"{wall:.0f} s, {cpu:.1f} s processor", "", None)
    cpu, began = script.cpu(), time.monotonic()
    time.sleep(90)
    row("  its processor time in an hour, without TLS", f"{(script.cpu() - cpu) * 3_600 / (time.monotonic() - began):.0f} s", "", None)
    script.process.kill()
    site.process.kill()


main()
