"""Word count by PySpark on this machine, for comparison: the words of `limit`, the output in order.

    python3 spark.py sql WORKERS FILE OUT     as a query, all of which runs in Java: the fastest that PySpark has
    python3 spark.py rdd WORKERS FILE OUT     by functions of Python, as the examples of Spark have it

Prints the seconds from the start of Python, Spark's own start included. OUT/mr-out-0 has lines WORD TAB COUNT.
"""

import os
import re
import sys
import time

BEGUN = time.monotonic()

from pyspark.sql import SparkSession, functions  # noqa: E402


def by_query(spark, file):
    words = functions.explode(functions.split("value", "[^A-Za-z]+")).alias("word")
    counts = spark.read.text(file).select(words).where("word != ''").groupBy("word").count()
    return [(row["word"], row["count"]) for row in counts.collect()]


def by_functions(spark, file):
    words = spark.sparkContext.textFile(file).flatMap(lambda line: re.findall("[A-Za-z]+", line))
    return words.map(lambda word: (word, 1)).reduceByKey(lambda one, other: one + other).collect()


def main():
    how, workers, file, out = sys.argv[1:]
    builder = SparkSession.builder.master(f"local[{workers}]").config("spark.ui.enabled", "false")
    builder = builder.config("spark.sql.shuffle.partitions", 2 * int(workers))
    spark = builder.config("spark.driver.memory", "4g").getOrCreate()
    counts = {"sql": by_query, "rdd": by_functions}[how](spark, os.path.abspath(file))
    os.makedirs(out)
    with open(os.path.join(out, "mr-out-0"), "w", encoding="ascii") as lines:
        lines.writelines(f"{word}\t{count}\n" for word, count in sorted(counts))
    gateway = spark.sparkContext._gateway
    spark.stop()
    # Who asks for this process's time wants Java's too.
    gateway.shutdown()
    gateway.proc.stdin.close()
    gateway.proc.wait()
    print(f"{time.monotonic() - BEGUN:.3f}")


main()
