"""The checks of bench/data.ts in pandera.

Usage: data_peer.py pandas|polars FILE CONTRACT

Reads the whole file, checks every column lazily, as the JSON Schema contract says, and prints the number of invalid rows.
"""

import json
import sys


def checks_of(pa, schema):
    checks = []
    if "enum" in schema:
        checks.append(pa.Check.isin(schema["enum"]))
    if "minimum" in schema:
        checks.append(pa.Check.in_range(schema["minimum"], schema["maximum"]))
    if "pattern" in schema:
        checks.append(pa.Check.str_matches(schema["pattern"]))
    if "minLength" in schema or "maxLength" in schema:
        checks.append(pa.Check.str_length(schema.get("minLength", 0), schema.get("maxLength")))
    if schema.get("format") == "email":
        checks.append(pa.Check.str_matches(r"^[^@\s]+@[^@\s]+\.[^@\s]+$"))
    if schema.get("format") == "date":
        checks.append(pa.Check.str_matches(r"^\d{4}-\d{2}-\d{2}$"))
    return checks


def with_pandas(path, properties):
    import pandas as pd
    import pandera.pandas as pa

    if path.endswith(".parquet"):
        frame = pd.read_parquet(path)
    elif path.endswith(".csv"):
        frame = pd.read_csv(path, engine="pyarrow")
        frame["day"] = frame["day"].astype(str)
    else:
        frame = pd.read_json(path, lines=True, convert_dates=False, dtype=False)
    kinds = {"integer": "int64", "number": "float64", "boolean": "bool", "string": "str"}
    schema = pa.DataFrameSchema(
        {name: pa.Column(kinds[each["type"]], checks_of(pa, each)) for name, each in properties.items()}
    )
    try:
        schema.validate(frame, lazy=True)
        return 0
    except pa.errors.SchemaErrors as error:
        return error.failure_cases["index"].nunique()


def with_polars(path, properties):
    import pandera.polars as pa
    import polars as pl

    if path.endswith(".parquet"):
        frame = pl.read_parquet(path)
    elif path.endswith(".csv"):
        frame = pl.read_csv(path)
    else:
        frame = pl.read_ndjson(path)
    kinds = {"integer": pl.Int64, "number": pl.Float64, "boolean": pl.Boolean, "string": pl.String}
    schema = pa.DataFrameSchema(
        {name: pa.Column(kinds[each["type"]], checks_of(pa, each)) for name, each in properties.items()}
    )
    try:
        schema.validate(frame, lazy=True)
        return 0
    except pa.errors.SchemaErrors as error:
        return error.failure_cases["index"].n_unique()


if __name__ == "__main__":
    _, peer, path, contract = sys.argv
    with open(contract, encoding="utf-8") as file:
        properties = json.load(file)["properties"]
    print({"pandas": with_pandas, "polars": with_polars}[peer](path, properties), end="")
