"""Answers questions over a store's Parquet files as they are, with PySpark or ClickHouse (chdb).

    readers.py spark|clickhouse FILE... < questions

with the files that `activity-collector files` lists.

Prints the answers as a JSON array: of each question a list of rows, of each row a list.
"""

import contextlib
import json
import os
import sys


def questions(has):
    """Statements of standard input, with each engine's word for "the list has"."""
    for statement in sys.stdin.read().split(";"):
        lines = [line for line in statement.splitlines() if not line.startswith("--")]
        statement = " ".join(lines).strip()
        if statement:
            before, mark, rest = statement.partition("{has:")
            if mark:
                (column, item), after = rest.split("}", 1)[0].split(":"), rest.split("}", 1)[1]
                statement = before + has(column, item) + after
            yield statement


def plain(value):
    """Numbers of any width as JSON's."""
    return value if value is None or isinstance(value, (str, bool)) else int(value)


def spark(files):
    from pyspark.sql import SparkSession

    session = (
        SparkSession.builder.master("local[1]")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.shuffle.partitions", "1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        # Times are nanoseconds since 1970, which Spark reads as numbers.
        .config("spark.sql.legacy.parquet.nanosAsLong", "true")
        # A backslash in a text is one, as in standard SQL.
        .config("spark.sql.parser.escapedStringLiterals", "true")
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("ERROR")
    # The columns are in the files; those of partitions' directories would come on top.
    session.read.option("recursiveFileLookup", "true").parquet(*files).createOrReplaceTempView("events")
    answers = [
        [[plain(value) for value in row] for row in session.sql(statement).collect()]
        for statement in questions(lambda column, item: f"array_contains({column}, '{item}')")
    ]
    # What the documentation shows has to work as it stands; what it prints is no answer.
    with contextlib.redirect_stdout(sys.stderr):
        exec(os.environ["DOCUMENTED"], {"spark": session})
    return answers


def clickhouse(files):
    from chdb.session import Session

    session = Session()
    # All of them in one path: alternatives between braces, behind what they have in common.
    below = ",".join(file.removeprefix("/") for file in files)
    session.query(
        f"CREATE VIEW events AS SELECT * FROM file('/{{{below}}}', Parquet) "
        "SETTINGS use_hive_partitioning = 0"
    )
    answers = []
    for statement in questions(lambda column, item: f"has({column}, '{item}')"):
        answer = session.query(
            statement + " SETTINGS output_format_json_quote_64bit_integers = 0", "JSONCompact"
        )
        answers.append([[plain(value) for value in row] for row in json.loads(answer.bytes())["data"]])
    return answers


engine, *files = sys.argv[1:]
assert files, "there are no files"
print(json.dumps({"spark": spark, "clickhouse": clickhouse}[engine](files)))
