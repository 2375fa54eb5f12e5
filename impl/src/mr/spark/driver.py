# The job: the driver's part.


@contextlib.contextmanager
def claimed(out, job):
    """Takes the output directory, which must be empty or not there, and gives a hidden folder in it for what is no
    output yet. `quorate mr run` locks it in the same way."""
    made = not os.path.lexists(out)
    os.makedirs(out, exist_ok=True)
    directory = os.open(out, os.O_RDONLY)
    work = os.path.join(out, f".quorate-mr-{job}")
    try:
        try:
            fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            made = False
            raise JobFailed(f"another job writes to {out}: wait for its end") from None
        for name in sorted(os.listdir(out)):
            # A job that can go on has a file of that name; others were killed.
            left = os.path.join(out, name)
            if not name.startswith(".quorate-mr-") or os.path.exists(os.path.join(left, "job")):
                raise JobFailed(f"the output directory {out} exists and holds {name}: remove it")
            shutil.rmtree(left)
        os.mkdir(work)
        yield work
        os.fsync(directory)
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        if made:
            with contextlib.suppress(OSError):
                os.rmdir(out)
        raise
    else:
        shutil.rmtree(work)
    finally:
        os.close(directory)


def spark_context(job):
    """Spark, where `spark-submit` says, or in this process. Edit here what else it should know."""
    if "PYSPARK_GATEWAY_PORT" not in os.environ:  # Nobody has submitted this: it was started by python.
        workers = JOB["workers"] or "*"
        words = ["--master", f"local[{workers},{JOB['max_attempts']}]"]
        bar = f"ui.showConsoleProgress={str(sys.stderr.isatty()).lower()}"
        for setting in ("driver.host=127.0.0.1", "driver.bindAddress=127.0.0.1", "ui.enabled=false", bar):
            words += ["--conf", f"spark.{setting}"]
        os.environ.setdefault("PYSPARK_SUBMIT_ARGS", " ".join([*words, "pyspark-shell"]))
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    conf = SparkConf().setAppName(f"quorate mr {job}")
    conf.set("spark.task.maxFailures", str(JOB["max_attempts"]))
    conf.set("spark.speculation", "true")  # A task that takes twice as long is run a second time,
    conf.set("spark.speculation.multiplier", "2")
    conf.set("spark.speculation.minTaskRuntime", f"{JOB['backup_after_ms']}ms")  # not before this.
    return SparkContext(conf=conf)


def run_job(run, splits):
    """What the reduce tasks made."""
    spark = spark_context(run["job"])
    try:
        pairs = spark.parallelize(splits, max(len(splits), 1)).mapPartitions(lambda some: map_task(run, some))
        pairs = pairs.repartitionAndSortWithinPartitions(JOB["reduces"], itemgetter(0))
        outputs = pairs.mapPartitionsWithIndex(lambda index, some: reduce_task(run, index, iter(some)))
        return sorted(outputs.collect(), key=itemgetter(0))
    except Exception as error:
        said = re.search(r"JobFailed: (.+)", str(error))
        if not said:
            raise
        raise JobFailed(said[1]) from None
    finally:
        spark.stop()


def main():
    begun, job = time.monotonic(), os.urandom(8).hex()
    splits = plan()
    out = os.path.join(os.getcwd(), JOB["out"])
    # What Spark changes for its own Python is given back to the commands.
    changed = [b"PYTHONPATH", b"PYTHONHASHSEED", b"PYTHONUNBUFFERED"]
    run = {"job": job, "maps": len(splits), "folder": os.getcwd()}
    run["environment"] = {name: os.environb.get(name) for name in changed}
    with claimed(out, job) as run["work"]:
        outputs = run_job(run, splits)
        for index, path, _ in outputs:
            os.rename(path, os.path.join(out, f"mr-out-{index}"))
    sums = collections.Counter()
    for _, _, counts in outputs:
        for name, amount in counts.items():
            sums[name] += amount
    counters = {name: sums[name] for name in sorted(sums) if sums[name] or "," in name}
    elapsed_ms = int(1000 * (time.monotonic() - begun))
    if JOB["json"]:
        told = {"job": job, "phase": "done", "counters": counters, "elapsed_ms": elapsed_ms}
        print(json.dumps(told))
        return
    print(f"job {job}: done in {elapsed_ms / 1000:.2f} s; {len(splits)} map and {JOB['reduces']} reduce tasks")
    for name, amount in counters.items():
        print(f"{name:<24}{amount:>14,}")


if __name__ == "__main__":
    try:
        main()
    except (JobFailed, OSError) as error:
        sys.exit(f"{os.path.basename(sys.argv[0])}: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
