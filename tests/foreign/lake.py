#!/usr/bin/env python3
"""Reads exported Delta tables with readers that this project did not write.

Mirrors the simulated feed of `demo`, exports it, changes rows, exports again, and compares every
value of every table in SQLite with delta-rs, and counts and sums with polars, DuckDB and chDB.

    cargo build --release && python3 tests/foreign/lake.py

Needs Python 3.10 with deltalake, pyarrow, polars and duckdb. chdb is optional. PROFILE=debug uses
the debug build.
"""

import datetime
import decimal
import importlib.metadata
import importlib.util
import os
import pathlib
import sqlite3
import subprocess
import tempfile

import deltalake
import duckdb
import polars

HERE = pathlib.Path(__file__).resolve().parent
PROGRAM = HERE.parent.parent / "target" / os.environ.get("PROFILE", "release") / "mlsmirror"
LISTINGS = os.environ.get("LISTINGS", "300")
TABLES = [
    ("listings", "ListingKey"), ("media", "MediaKey"), ("open_houses", "OpenHouseKey"),
    ("members", "MemberKey"), ("changes", "id"), ("sync_runs", "id"),
]


# The package duckdb-ext-delta has the extension of its version of DuckDB.
PACKAGE = importlib.util.find_spec("duckdb_ext")
FOLDERS = list(PACKAGE.submodule_search_locations) if PACKAGE else []
DELTA = next((str(path) for folder in FOLDERS for path in pathlib.Path(folder).rglob("delta.duckdb_extension")), None)


def run(*arguments):
    subprocess.run([PROGRAM, "-q", *arguments], check=True, stdout=subprocess.DEVNULL)


def text(value):
    """Returns a value as SQLite shows it."""
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, decimal.Decimal):
        return repr(float(value))
    if isinstance(value, datetime.datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S.%f").rstrip("0").rstrip(".")
    return str(value)


def stored(value, declared):
    """Returns a value of SQLite as the exported one is shown."""
    if value is None:
        return None
    if declared.startswith(("DECIMAL", "NUMERIC", "REAL")):
        return repr(float(value))
    if declared == "TIMESTAMP":
        value = value[:26]
        return value.rstrip("0").rstrip(".") if "." in value else value
    return str(value)


def compare(database, lake):
    """Compares all values of all tables, and counts by other readers."""
    compared = 0
    for table, key in TABLES:
        types = {row[1]: row[2] for row in database.execute(f"PRAGMA table_info({table})")}
        condition = "status <> 'running'" if table == "sync_runs" else "1"
        cursor = database.execute(f"SELECT * FROM {table} WHERE {condition}")
        names = [column[0] for column in cursor.description]
        held = {str(row[names.index(key)]): row for row in cursor}
        path = str(lake / table)
        exported = deltalake.DeltaTable(path).to_pyarrow_table().to_pylist()
        assert len(exported) == len(held), (table, len(exported), len(held))
        for row in exported:
            assert row["mirror_name"] == "mirror"
            for name, value in zip(names, held[str(row[key])]):
                found = row[name]
                wanted = stored(value, types[name])
                assert (None if found is None else text(found)) == wanted, (table, name, found, wanted)
                compared += 1
        counts = {
            "polars": polars.scan_delta(path).select(polars.len()).collect().item(),
            "DuckDB": by_duckdb(path),
            "chDB": by_chdb(path),
        }
        for reader, count in counts.items():
            assert count in (None, len(held)), (reader, table, count, len(held))
    city = polars.scan_delta(str(lake / "listings")).filter(polars.col("City") == "Layton")
    wanted = database.execute("SELECT count(*), sum(ListPrice) FROM listings WHERE City = 'Layton'").fetchone()
    found = city.select(polars.len(), polars.col("ListPrice").sum()).collect().row(0)
    assert (found[0], float(found[1] or 0)) == (wanted[0], float(wanted[1] or 0)), (found, wanted)
    return compared


def by_duckdb(path):
    connection = duckdb.connect()
    try:
        connection.execute(f"LOAD '{DELTA}'" if DELTA else "INSTALL delta; LOAD delta")
    except duckdb.Error as error:
        print(f"DuckDB cannot load its extension: {str(error).splitlines()[0]}")
        return None
    return connection.execute(f"SELECT count(*) FROM delta_scan('{path}')").fetchone()[0]


def by_chdb(path):
    try:
        import chdb
    except ImportError:
        return None
    # It reads only below the working folder of its first query.
    os.chdir(pathlib.Path(path).parent)
    connection = chdb.connect(f":memory:?user_files_path={os.getcwd()}")
    count = connection.query(f"SELECT count() FROM deltaLakeLocal('{path}/')", "CSV").data()
    connection.close()
    return int(count.strip())


def main():
    for package in ["deltalake", "polars", "duckdb", "pyarrow", "chdb"]:
        try:
            print(package, importlib.metadata.version(package))
        except importlib.metadata.PackageNotFoundError:
            print(package, "is not installed")
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder) / "mirror"
        run("demo", "--dir", str(folder), "--listings", LISTINGS)
        configuration = str(folder / "mlsmirror.toml")
        database = sqlite3.connect(folder / "mirror.db")
        for round in range(53):
            run("--config", configuration, "export")
            if round in (0, 1, 51, 52):
                compared = compare(database, folder / "lake")
                print(f"version {round}: {compared:,} values are equal")
            database.execute("UPDATE listings SET City = 'Layton', ListPrice = ListPrice + 1 WHERE rowid % 7 = ?", [round % 7])
            database.execute("DELETE FROM media WHERE rowid % 97 = ?", [round])
            database.commit()
        table = deltalake.DeltaTable(str(folder / "lake" / "listings"), version=1)
        print("time travel to version 1:", table.to_pyarrow_table().num_rows, "rows")


main()
