#!/usr/bin/env python3
"""A MapReduce job for Apache Spark, written by `quorate mr export --engine spark`.

    python3 THIS.py                                  on this machine; needs pyspark and Java
    spark-submit --master spark://HOST:7077 THIS.py  on machines that have all files by the same paths

It needs no quorate, and leaves what `quorate mr run` would leave, byte for byte: DIR/mr-out-0 to
DIR/mr-out-(R-1). A mapper reads the lines of a split and writes lines KEY TAB VALUE; a reducer
reads the lines of a partition, sorted by the bytes of their keys, and writes the output's lines; a
combiner is a reducer that keeps the keys and runs beside the mapper. Lines of one key come in the
order of the map tasks, and in that in which each wrote them. Paths and commands are those of the
folder in which this program is started. What commands say on standard error is passed on, except

    reporter:counter:GROUP,NAME,AMOUNT     adds to a counter; the sums are printed at the end
    reporter:status:TEXT                   says what the command is doing
"""

import collections
import contextlib
import fcntl
import fnmatch
import gzip
import itertools
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
import types
import zlib
from operator import itemgetter

from pyspark import SparkConf, SparkContext, TaskContext

# The job, as it was asked for.
JOB = {
    "quorate": "the release that wrote this",
    "mapper": "tr -sc A-Za-z '\\n' | awk 'NF { print $1 \"\\t1\" }'",
    "combiner": None,
    "reducer": "awk -F'\\t' '{ n[$1] += $2 } END { for (k in n) print k \"\\t\" n[k] }' | sort",
    "inputs": ["*.txt"],
    "out": "counts",
    "reduces": 8,
    "split_bytes": 33554432,
    "memory_bytes": 134217728,
    "max_attempts": 4,
    "task_timeout_ms": 60000,
    "backup_after_ms": 10000,
    "workers": None,
    "json": False,
}
# The end of the job. All that follows is the same in every exported program.

PIECE = 1 << 16  # How many bytes are read, or collected, before they are written.


class JobFailed(Exception):
    """Why there is no output, in one line."""


