#!/usr/bin/env python3
"""The same job as an integrator writes it in an afternoon: bookings to access groups, events to MQTT.

For the table of `benches/system/run` alone: it forgets what it did when it stops, trusts every list, and has no idea
whose rows it removes. What it costs is what a plain script costs.

    peer.py NEXUDUS KISI PORT USER PASSWORD KEY FILE RESOURCE=GROUP…
"""
import datetime as dt
import json
import sqlite3
import sys
import time

import paho.mqtt.client as mqtt
import requests

nexudus, kisi, port, user, password, key, file = sys.argv[1:8]
links = {int(resource): int(group) for resource, group in (pair.split("=") for pair in sys.argv[8:])}
CHANGES, EVENTS, PRESTAGE = 60, 5, dt.timedelta(hours=24)

db = sqlite3.connect(file)
db.execute("create table if not exists rows (user integer, grp integer, id integer, until text)")
db.execute("create table if not exists outbox (uuid text primary key, payload text)")
broker = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
broker.connect("127.0.0.1", int(port))
broker.loop_start()

clouds = requests.Session()
clouds.headers["Accept"] = "application/json"


def token():
    form = {"grant_type": "password", "username": user, "password": password}
    return clouds.post(f"{nexudus}/token", data=form).json()["access_token"]


bearer = {"Authorization": f"Bearer {token()}"}
login = {"Authorization": f"KISI-LOGIN {key}"}
last_call = 0.0


def call(method, path, **more):
    """Kisi, at four calls a second."""
    global last_call
    time.sleep(max(0.0, last_call + 0.25 - time.monotonic()))
    last_call = time.monotonic()
    answer = clouds.request(method, kisi + path, headers=login, **more)
    answer.raise_for_status()
    return answer.json() if answer.content else None


def listed(path):
    rows, page = [], 1
    while True:
        answer = clouds.get(f"{nexudus}/{path}", headers=bearer, params={"page": page, "size": 1000}).json()
        rows += answer["Records"]
        if not answer["HasNextPage"]:
            return rows
        page += 1


def users():
    rows, offset = [], 0
    while True:
        page = call("GET", "/users", params={"limit": 250, "offset": offset})
        rows += page
        if len(page) < 250:
            return {row["email"].lower(): row["id"] for row in rows if row.get("email")}
        offset += 250


def at(text):
    return dt.datetime.fromisoformat(text.replace("Z", "+00:00")).replace(tzinfo=dt.timezone.utc)


def sync(now, known):
    emails = {row["Id"]: (row.get("Email") or "").lower() for row in listed("spaces/coworkers")}
    wanted = {}
    for row in listed("spaces/bookings"):
        group = links.get(row["ResourceId"])
        person = known.get(emails.get(row["CoworkerId"]))
        begins, ends = at(row["FromTime"]), at(row["ToTime"]) + dt.timedelta(minutes=15)
        if group and person and ends > now and begins - PRESTAGE < now:
            first = wanted.get((person, group))
            wanted[person, group] = min(first, (begins, ends)) if first else (begins, ends)
    held = {(row[0], row[1]): row[2] for row in db.execute("select user, grp, id from rows")}
    for (person, group), (begins, ends) in wanted.items():
        if (person, group) not in held:
            body = {"role_assignment": {"user_id": person, "group_id": group, "role_id": "group_basic",
                                        "valid_from": begins.isoformat(), "valid_until": ends.isoformat()}}
            made = call("POST", "/role_assignments", json=body)
            db.execute("insert into rows values (?, ?, ?, ?)", (person, group, made["id"], ends.isoformat()))
    for pair, row in held.items():
        if pair not in wanted:
            call("DELETE", f"/role_assignments/{row}")
            db.execute("delete from rows where id = ?", (row,))
    db.commit()


def events(since, until):
    body = {"event_set": {"interval": f"{since:%Y-%m-%dT%H:%M:%SZ}/{until:%Y-%m-%dT%H:%M:%SZ}"}}
    page = call("POST", "/event_sets", json=body)
    cursor = None
    while True:
        if page["status"] == "in_progress" or cursor:
            page = call("GET", f"/event_sets/{page['id']}", params={"limit": 200, **({"cursor": cursor} if cursor else {})})
        for event in page.get("events", []):
            row = (event["uuid"], json.dumps(event))
            if db.execute("insert or ignore into outbox values (?, ?)", row).rowcount:
                broker.publish(f"peer/event/{event['type']}", row[1], qos=1)
        cursor = page.get("cursor")
        if page["status"] == "finished" and not cursor:
            break
    db.commit()


def main():
    known, next_sync = users(), 0.0
    since = None
    while True:
        answer = clouds.get(f"{kisi}/places", headers=login)
        now = dt.datetime.strptime(answer.headers["Date"], "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=dt.timezone.utc)
        if time.monotonic() >= next_sync:
            sync(now, known)
            next_sync = time.monotonic() + CHANGES
            print("synced", flush=True)
        events(since or now - dt.timedelta(minutes=2), now)
        since = now - dt.timedelta(minutes=2)
        time.sleep(EVENTS)


main()
