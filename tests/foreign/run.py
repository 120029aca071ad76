#!/usr/bin/env python3
"""Mirrors two OData servers that this project did not write: SAP CAP (npm) and odatapy (PyPI).

Installs both into a temporary folder, fills them over their own API, and runs a full sync,
incremental syncs after changes, a reconcile after deletions, and `verify`. After each step every
field of every live row is compared with the server's own answers.

    cargo build --release && python3 tests/foreign/run.py [cap|odatapy]

Needs node with npm, Python 3.10 with venv, and a network for the packages.
"""

import datetime
import json
import os
import pathlib
import random
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

from model import RESOURCES

HERE = pathlib.Path(__file__).resolve().parent
PROGRAM = HERE.parent.parent / "target" / os.environ.get("PROFILE", "release") / "mlsmirror"
LISTINGS, PHOTOS = 400, 3
SEED = int(os.environ.get("SEED", "1"))
CLOCK = datetime.datetime(2026, 1, 1)


def request(url, method="GET", body=None):
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    sent = urllib.request.Request(url, data, headers, method=method)
    with urllib.request.urlopen(sent, timeout=60) as answer:
        text = answer.read()
    return json.loads(text) if text else None


class Feed:
    """A server, its records, and a clock for their timestamps."""

    def __init__(self, name, root):
        self.name, self.root = name, root
        self.dice = random.Random(SEED)
        self.ticks = 0
        self.keys = {resource: [] for resource in RESOURCES}

    def now(self):
        self.ticks += self.dice.choice([0, 0, 1, 997])
        time_of = CLOCK + datetime.timedelta(milliseconds=self.ticks * 10)
        return time_of.strftime("%Y-%m-%dT%H:%M:%S.") + f"{time_of.microsecond // 1000:03d}Z"

    def address(self, resource, key):
        quoted = urllib.parse.quote(key.replace("'", "''"), safe="")
        return f"{self.root}/{resource}('{quoted}')"

    def insert(self, resource, record):
        record["ModificationTimestamp"] = self.now()
        request(f"{self.root}/{resource}", "POST", record)
        self.keys[resource].append(record[RESOURCES[resource]["key"]])

    def edit(self, resource, key, change):
        change["ModificationTimestamp"] = self.now()
        request(self.address(resource, key), "PATCH", change)

    def delete(self, resource, key):
        request(self.address(resource, key), "DELETE")
        self.keys[resource].remove(key)

    def add_listing(self, number):
        # Keys with quotes, blanks and letters outside of ASCII need escaping in URLs.
        key = self.dice.choice(["{:06}", "O'{:05}", "a b {:05}", "ü-{:05}"]).format(number)
        self.insert(
            "Property",
            {
                "ListingKey": key,
                "ListPrice": self.dice.randrange(10_000_000) / 100,
                "BedroomsTotal": self.dice.choice([None, 0, 3]),
                "PublicRemarks": self.dice.choice([None, "", "two\nlines", "“quoted” & <b>"]),
                "StandardStatus": self.dice.choice(["Active", "Pending"]),
                "ListingContractDate": "2025-12-31",
                "NewConstructionYN": self.dice.choice([None, True, False]),
                "Latitude": self.dice.choice([None, 40.1234567, -0.5]),
                "PhotosCount": PHOTOS,
            },
        )
        for place in range(PHOTOS):
            photo = {
                "MediaKey": f"{key}-{place}",
                "ResourceRecordKey": key,
                "ResourceName": "Property",
                "MediaURL": f"https://photos.example.com/{number}/{place}.jpg",
                "Order": place,
            }
            self.insert("Media", photo)

    def fill(self):
        for number in range(LISTINGS):
            self.add_listing(number)
        for number in range(60):
            self.insert("Member", {"MemberKey": f"m{number}", "MemberFullName": "Ann O’Neil"})

    def change(self):
        for key in self.dice.sample(self.keys["Property"], LISTINGS // 10):
            self.edit("Property", key, {"ListPrice": self.dice.randrange(100_000) / 4})
        for key in self.dice.sample(self.keys["Media"], LISTINGS // 10):
            self.edit("Media", key, {"Order": self.dice.randrange(100)})
        self.add_listing(LISTINGS + self.ticks)

    def remove(self):
        for key in self.dice.sample(self.keys["Property"], 5):
            for photo in [photo for photo in self.keys["Media"] if photo.rsplit("-", 1)[0] == key]:
                self.delete("Media", photo)
            self.delete("Property", key)
        for key in self.dice.sample(self.keys["Member"], 3):
            self.delete("Member", key)

    def records(self, resource):
        """Returns the records by key, read one by one page of 20."""
        key, found, skip = RESOURCES[resource]["key"], {}, 0
        while True:
            query = urllib.parse.urlencode({"$orderby": key, "$top": 20, "$skip": skip})
            page = request(f"{self.root}/{resource}?{query}")["value"]
            found.update((record[key], record) for record in page)
            skip += len(page)
            if not page:
                return found


def stored(edm, value):
    """Returns a value of the feed as the mirror stores it."""
    if value is None or edm in ("Edm.String", "Edm.Date"):
        return value
    if edm == "Edm.Boolean":
        return int(value)
    if edm == "Edm.DateTimeOffset":
        text = value.replace("T", " ").rstrip("Z")
        return re.sub(r"\.?0*$", "", text) if "." in text else text
    return float(value)


def differences(feed, database):
    mirror = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    mirror.row_factory = sqlite3.Row
    for resource, description in RESOURCES.items():
        key = description["key"]
        sql = f"SELECT * FROM {description['table']} WHERE deleted_at IS NULL"
        rows = {row[key]: row for row in mirror.execute(sql)}
        records = feed.records(resource)
        for missing in records.keys() - rows.keys():
            yield f"{resource} {missing} is not in the mirror"
        for extra in rows.keys() - records.keys():
            yield f"{resource} {extra} is not in the feed"
        for found in records.keys() & rows.keys():
            for field, edm in description["fields"].items():
                wanted, got = stored(edm, records[found].get(field)), rows[found][field]
                if (float(got) if isinstance(wanted, float) and got is not None else got) != wanted:
                    yield f"{resource} {found}: {field} is {got!r}, the feed has {wanted!r}"


class Mirror:
    def __init__(self, folder, root):
        self.folder = folder
        resources = ", ".join(f'"{resource}"' for resource in RESOURCES)
        (folder / "mlsmirror.toml").write_text(
            f'[feed]\nprofile = "reso"\nbase_url = "{root}"\n'
            f"[sync]\nresources = [{resources}]\ndownload_media = false\n"
        )

    def run(self, *arguments):
        env = {**os.environ, "RESO_BEARER_TOKEN": "any"}
        ended = subprocess.run(
            [PROGRAM, *arguments], cwd=self.folder, env=env, capture_output=True, text=True
        )
        print(f"  {' '.join(arguments)}: exit {ended.returncode}")
        if ended.returncode:
            sys.exit(f"{ended.stdout}\n{ended.stderr}")
        return ended


def trial(name, root, folder):
    feed, mirror = Feed(name, root), Mirror(folder, root)
    feed.fill()
    steps = [
        (["check"], None),
        (["sync"], None),
        (["sync"], None),
        *[(["sync"], feed.change)] * 3,
        (["sync", "reconcile"], feed.remove),
        (["verify"], None),
    ]
    for arguments, change in steps:
        if change:
            change()
        mirror.run(*arguments)
        if arguments[0] == "sync":
            found = list(differences(feed, folder / "mirror.db"))
            if found:
                sys.exit(f"{len(found)} differences:\n" + "\n".join(found[:20]))
    database = sqlite3.connect(folder / "mirror.db")
    for run in database.execute(
        "SELECT job, resource, requests, records_seen, inserted, updated, deleted FROM sync_runs"
    ):
        print("   ", *run)


def start_cap(folder):
    shutil.copytree(HERE / "cap", folder / "cap")
    subprocess.run(["npm", "install", "--silent"], cwd=folder / "cap", check=True)
    server = subprocess.Popen(
        ["npx", "cds-serve", "--port", "0"],
        cwd=folder / "cap", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True,
    )
    for line in server.stdout:
        found = re.search(r"http://localhost:(\d+)", line)
        if found:
            return server, f"http://localhost:{found[1]}/reso"
    sys.exit("SAP CAP did not start")


def start_odatapy(folder):
    python = folder / "venv" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    subprocess.run([python, "-m", "pip", "--quiet", "install", "odatapy==5.3.0"], check=True)
    server = subprocess.Popen(
        [python, HERE / "odatapy_server.py"], stdout=subprocess.PIPE, text=True,
        start_new_session=True,
    )
    return server, f"http://127.0.0.1:{int(server.stdout.readline())}"


def main():
    print(f"seed {SEED}")
    servers = {"cap": start_cap, "odatapy": start_odatapy}
    for name in sys.argv[1:] or servers:
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            server, root = servers[name](folder)
            try:
                print(f"{name} at {root}")
                (folder / "mirror").mkdir()
                trial(name, root, folder / "mirror")
            finally:
                os.killpg(server.pid, 15)
                server.wait()
    print("exact")


if __name__ == "__main__":
    main()
