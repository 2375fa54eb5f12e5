# The input: from the words of the command line to splits, and the lines that begin in a split.


def plan():
    """The splits that the inputs stand for: a map task each."""
    splits = []
    for word in JOB["inputs"]:
        files = files_of(word.encode())
        if not files:
            raise JobFailed(f"no file matches {word!r}")
        for path in files:
            splits += [dict(split, index=len(splits) + at) for at, split in enumerate(parts(path))]
    return splits


def files_of(word):
    """The files that a word stands for: a path, else a pattern."""
    if os.path.lexists(word):
        return below(word)
    names = word.split(b"/")
    if any(b"**" in name and name != b"**" for name in names):
        raise JobFailed(f"{word.decode()!r} is no pattern: ** stands alone between slashes")
    if b"**" in names:
        return deep(word, names)
    found = sorted(matches(word, names), key=lambda path: path.split(b"/"))
    return [file for path in found for file in below(path)]


def below(path):
    """A file, or the files below a folder: none whose name begins with . or _, and no link to a folder in it."""
    if not stat.S_ISDIR(os.stat(path).st_mode):
        return [path]
    found = []
    for name in sorted(os.listdir(path)):
        inner = os.path.join(path, name)
        if name[:1] not in (b".", b"_") and not (os.path.islink(inner) and os.path.isdir(inner)):
            found += below(inner)
    return found


def fits(name, pattern):
    """Whether a name fits a pattern without slashes. One that is not UTF-8 fits none."""
    try:
        return fnmatch.fnmatchcase(name.decode(), pattern.decode())
    except UnicodeDecodeError:
        return False


def is_pattern(name):
    return any(letter in name for letter in b"*?[")


def matches(word, names):
    """What a pattern without ** stands for."""
    paths = [b"/" if word.startswith(b"/") else b""]
    for name in filter(None, names):
        found = []
        for path in paths:
            choice = [name]
            if is_pattern(name):
                folder = path or b"."
                listed = os.listdir(folder) if os.path.isdir(folder) else []
                choice = [entry for entry in listed if fits(entry, name)]
            within = path if path != b"." else b""
            found += [os.path.join(within, entry) for entry in choice]
        paths = [path for path in found if os.path.lexists(path)]
    folders_only = word.endswith(b"/")
    return [path for path in paths if os.path.isdir(path) or not folders_only]


def deep(word, names):
    """What a pattern with ** stands for, out of what is below the folder that it begins with."""
    first = list(itertools.takewhile(lambda name: not is_pattern(name), names))
    named = [name for at, name in enumerate(first) if name and (name != b"." or at == 0)]
    folder = (b"/" if word.startswith(b"/") else b"") + b"/".join(named) or b"."
    found = below(folder) if os.path.isdir(folder) else []
    if not word.startswith(b"."):
        found = [path[2:] if path.startswith(b"./") else path for path in found]
    return [path for path in found if fits_all(path.split(b"/"), names)]


def fits_all(path, names):
    if not names:
        return not path
    if names[0] == b"**":
        return any(fits_all(path[skipped:], names[1:]) for skipped in range(len(path) + 1))
    return bool(path) and fits(path[0], names[0]) and fits_all(path[1:], names[1:])


def parts(path):
    """The splits of a file. What is compressed can't be entered in the middle and is one."""
    name = path.decode(errors="replace")
    path = os.path.join(os.getcwdb(), path)
    try:
        absolute = path.decode()
    except UnicodeDecodeError:
        raise JobFailed(f"input {name}: its name is not UTF-8; rename it") from None
    data = os.stat(path)
    if not stat.S_ISREG(data.st_mode):
        raise JobFailed(f"input {name}: it is no regular file")
    with open(path, "rb") as file:
        compression = compression_of(file.read(4))
    if compression == "zstd" and not shutil.which("zstd"):
        raise JobFailed(f"input {name}: needs the program zstd, which is not here; install it")
    size = data.st_size
    count = 1 if compression else -(-size // JOB["split_bytes"])
    borders = [size * at // count for at in range(count + 1)] if count else []
    same = {"name": name, "path": absolute, "file_bytes": size, "compression": compression}
    return [dict(same, start=start, end=end) for start, end in zip(borders, borders[1:])]


def compression_of(first):
    """How a file is compressed, by its first four bytes."""
    if first[:3] == b"\x1f\x8b\x08":
        return "gzip"
    frame = first == b"\x28\xb5\x2f\xfd"
    to_skip = first[1:] == b"\x2a\x4d\x18" and 0x50 <= first[0] <= 0x5F
    return "zstd" if frame or to_skip else None


@contextlib.contextmanager
def opened(split):
    """The file of a split, for reading."""
    if split["compression"] == "zstd":
        with subprocess.Popen(["zstd", "-dcq", "--", split["path"]], stdout=subprocess.PIPE) as zstd:
            yield zstd.stdout
        if zstd.returncode:
            raise JobFailed(f"input {split['name']}: its zstd data is damaged")
    else:
        with (gzip.open if split["compression"] else open)(split["path"], "rb") as file:
            yield file


def pieces(split):
    """The bytes of the lines that begin in a split."""
    if os.stat(split["path"]).st_size != split["file_bytes"]:
        raise JobFailed(f"input {split['name']}: it is not as large as when the job was planned")
    end = float("inf") if split["compression"] else split["end"]
    try:
        with opened(split) as file:
            position = 0
            if not split["compression"] and split["start"] > 0:
                # The byte before the split says whether a line begins with it.
                position = split["start"] - 1
                file.seek(position)
                ended = False
                while position < end and not ended:
                    passed = file.readline(PIECE)
                    position, ended = position + len(passed), passed.endswith(b"\n") or not passed
            within = False
            while within or position < end:
                piece = file.read(PIECE)
                if not piece:
                    return
                if position + len(piece) >= end:
                    # The line that has the split's last byte is its last one.
                    last = piece.find(b"\n", max(end - position, 1) - 1)
                    piece = piece if last < 0 else piece[: last + 1]
                position, within = position + len(piece), not piece.endswith(b"\n")
                yield piece
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise JobFailed(f"input {split['name']}: its gzip data is damaged: {error}") from None
    except OSError as error:
        raise JobFailed(f"input {split['name']}: can't be read: {error}") from None


def lines(pieces):
    """The lines of pieces of bytes, without their ends."""
    begun = []
    for piece in pieces:
        first, *more = piece.split(b"\n")
        begun.append(first)
        if more:
            yield b"".join(begun)
            yield from more[:-1]
            begun = [more[-1]]
    last = b"".join(begun)
    if last:
        yield last


