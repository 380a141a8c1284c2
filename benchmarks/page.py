"""The page that shows what was measured: written from the results alone, so that it can't say anything else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks.aims import LAYOUTS, aims, times
from benchmarks.chart import chart
from benchmarks.parts import short
from benchmarks.processes import ROOT
from benchmarks.results import Part
from benchmarks.stages import STAGES

PAGE = ROOT / "docs" / "benchmarks.md"

Parts = Mapping[str, Part]

_HEAD = """\
# Benchmarks

Written by `make bench` from what it measured; nothing here is typed by hand. Ratios compare what ran in turns in one
run; seconds are only colour.

"""

_METHOD = """\
## How this was measured

- Fleets are made from a seed: accounts with one to three products and all fields, customer numbers, owners, labels,
  every tenth with a sync, times in both forms and three offsets, ids in no order. **1,000 a file** is a folder of files
  of 1,000 documents, **one file each** has folders of 1,000 files. Known state stands in an SQLite store and differs in
  1 % of the accounts, so each plan holds an `update` for those.
- Every command is the real command line in a process of its own, from a clean environment, start included. A plan
  reads, validates, plans, shows the plan and writes the plan file; what it holds is checked each time.
- **Cold** means that there is no `.reconciler/cache.db`. The operating system's page cache is warm: manifests and store
  are read through before the raw load and before the cold plan; what had to come from disk all the same is told.
  **Warm** is the same command again. **1 % changed** is the same after 1 % of the accounts were declared anew: in few
  files where a file holds 1,000, in 1 % of the files where it holds one.
- The **raw load** is `yaml.load_all` with `CSafeLoader` over the same files on one core in a process of its own, which
  reads them and keeps nothing; the start of Python and the imports are not counted. Two of it at once tell what a
  second core gives: on a machine of one's own, twice as much; on a shared one less, and our plan uses both.
- Each round runs everything once, in turns. Times are medians of the rounds, ratios are medians of the rounds' own
  ratios, memory is the highest of all rounds: the largest sum over all processes of a command at one moment (shared
  pages once), or the peak of its largest process if that is more.
"""


def write(parts: Parts, page: Path = PAGE) -> None:
    """Write the page and its chart."""
    picture = page.parent / "images" / "benchmarks.svg"
    picture.parent.mkdir(parents=True, exist_ok=True)
    picture.write_text(chart(parts), encoding="utf-8")
    page.write_text(text(parts), encoding="utf-8")


def text(parts: Parts) -> str:
    """The whole page."""
    sections = [_HEAD, _aims(parts), "![Seconds by accounts](images/benchmarks.svg)\n\n"]
    sections += [_fleets(parts), _stages(parts), _others(parts), _beside(parts), _METHOD, _machine(parts)]
    return "".join(section for section in sections if section)


def table(head: Sequence[str], rows: Iterable[Sequence[str]], numbers_from: int = 1) -> str:
    """A Markdown table; columns from ``numbers_from`` on are aligned to the right."""
    lines = [head, ["---" if index < numbers_from else "---:" for index in range(len(head))], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines) + "\n"


def seconds(value: float | None) -> str:
    """Three figures that count."""
    if value is None:
        return "–"
    return f"{value:.0f} s" if value >= 100 else f"{value:.3g} s" if value >= 1 else f"{value * 1000:.0f} ms"


def _aims(parts: Parts) -> str:
    rows = [(aim.what, aim.aim, aim.text, aim.verdict) for aim in aims(parts)]
    return table(("what", "aim", "figure", ""), rows, numbers_from=4)


def _plans(parts: Parts) -> list[Part]:
    plans = [part for part in parts.values() if "layout" in part.facts]
    return sorted(plans, key=lambda part: (part.facts["layout"], part.facts["accounts"]))


def _fleets(parts: Parts) -> str:
    plans = _plans(parts)
    if not plans:
        return ""
    names = [f"{short(part.facts['accounts'])}, {LAYOUTS[part.facts['layout']]}" for part in plans]
    ratios = []
    for name, part in zip(names, plans, strict=True):
        pairs = [("cold", "raw"), ("warm", "cold"), ("changed", "cold")]
        each = part.value("cold")
        per_account = "–" if each is None else f"{each / part.facts['accounts'] * 1e6:.0f} µs"
        memory = [_memory(part, measure) for measure in ("cold", "warm")]
        ratios.append((name, per_account, *(times(part.ratio(*pair)) for pair in pairs), *memory))
    head = ("", "cold, an account", "cold / raw", "warm / cold", "1 % changed / cold", "peak, cold", "peak, warm")
    measures = {
        "raw": "raw load", "cold": "cold", "changed": "1 % changed", "warm": "warm", "full-hash": "warm, --full-hash",
        "cold-jobs-1": "cold, --jobs 1", "cold-snapshot": "cold, file:", "validate": "validate, cold",
        "import": "state import",
    }  # fmt: skip
    taken = [name for name in measures if any(name in part.runs for part in plans)]
    values = [
        (name, *(seconds(part.value(each)) for each in taken), seconds(part.value("cold", "cpu")))
        for name, part in zip(names, plans, strict=True)
    ]
    sizes = [
        (name, f"{part.facts['files']:,}", *(_mebibytes(part.facts.get(key)) for key in _SIZES), str(_rounds(part)))
        for name, part in zip(names, plans, strict=True)
    ]
    return (
        "## Fleets\n\n"
        + table(head, ratios)
        + table(("", *(measures[name] for name in taken), "processor time, cold"), values)
        + _alone(plans, names)
        + _from_disk(plans, names)
        + table(("", "files", "manifests", "store", "cache", "plan file", "rounds"), sizes)
    )


def _stages(parts: Parts) -> str:
    """Where the time of plans goes, stage by stage."""
    told = []
    for part in _plans(parts):
        kinds = part.facts.get("stages")
        if not kinds:
            continue
        rows = [
            (label, *(_milliseconds(kinds[kind].get(name)) for kind in kinds))
            for name, label in (*((name, label) for name, (label, *_) in STAGES.items()), ("rest", _REST))
        ]
        rows.append(("**together**", *(_milliseconds(sum(stages.values())) for stages in kinds.values())))
        name = f"{short(part.facts['accounts'])}, {LAYOUTS[part.facts['layout']]}"
        told.append(table((f"{name}: ms", "cold", "warm", "1 % changed"), rows))
    return "## Where the time goes\n\nOne plan of each kind, timed from inside.\n\n" + "".join(told) if told else ""


_REST = "start Python, import, all else"


def _milliseconds(value: float | None) -> str:
    return "–" if value is None else f"{value * 1000:,.0f}"


#: MiB from disk that are worth telling.
_MUCH = 20
_SIZES = ("bytes", "store bytes", "cache bytes", "plan bytes")


def _alone(plans: Sequence[Part], names: Sequence[str]) -> str:
    """How much of the raw load is reading files, where that is much."""
    told = []
    for name, part in zip(names, plans, strict=True):
        loading, whole = part.value("raw", "loading"), part.value("raw")
        if loading and whole and loading < whole * 0.95:
            told.append(f"{name}: {1 - loading / whole:.0%}")
    return f"Of the raw load, opening and reading the files takes: {'; '.join(told)}.\n\n" if told else ""


def _from_disk(plans: Sequence[Part], names: Sequence[str]) -> str:
    """What the page cache didn't keep, where that is much."""
    told = []
    for name, part in zip(names, plans, strict=True):
        read = {measure: part.value(measure, "disk") for measure in ("raw", "cold")}
        if max(value or 0 for value in read.values()) >= _MUCH:
            told.append(f"{name}: {', '.join(f'{measure} {value or 0:,.0f} MiB' for measure, value in read.items())}")
    return f"Not in the page cache any more, and read from disk: {'; '.join(told)}.\n\n" if told else ""


def _rounds(part: Part) -> int:
    return len(part.runs.get("cold", ()))


def _memory(part: Part, measure: str) -> str:
    value = part.memory(measure)
    return "–" if value is None else f"{value:,.0f} MiB"


def _mebibytes(size: int | None) -> str:
    return f"{size / 2**20:,.1f} MiB" if size else "–"


def _others(parts: Parts) -> str:
    return "".join(_octodns(parts.get("octodns")) + _terraform(parts.get("terraform")))


def _octodns(part: Part | None) -> list[str]:
    if part is None:
        return ["## Beside others\n\noctoDNS wasn't measured: it couldn't be installed, or this part didn't run.\n\n"]
    count = f"{part.facts['objects']:,}"
    rows = {
        "full-yaml": "records of as many fields as an account has, known ones as YAML: octoDNS as it comes",
        "full-json": "the same, known ones as JSON by a target of ours",
        "full-json-c": "the same, with PyYAML's C loader put under octoDNS, which it doesn't offer",
        "small-json": "the smallest record there is (`A`, one value), known ones as JSON",
    }
    lines = [
        (what, seconds(part.value(name)), times(part.ratio(name, "cold")), times(part.ratio(name, "warm")))
        for name, what in rows.items()
    ]
    lines.append(("ours: accounts of one to three products, cold", seconds(part.value("cold")), "", ""))
    lines.append(("ours, warm", seconds(part.value("warm")), "", ""))
    return [
        "## Beside others\n\n",
        f"**octoDNS {part.machine['octoDNS']}** (PyYAML {part.machine['its PyYAML']}): {count} records in zones of "
        f"1,000, a file each, {part.facts['differing']:,} of which differ; `octodns-sync` without `--doit`. "
        "A record of as many fields is an `NAPTR` record with a value of six fields for each product of the account "
        "beside it and four fields of metadata: less text than the manifest. Ours: as many accounts, 1,000 a file, of "
        "which as many differ.\n\n",
        table(("", "time", "of our cold plan", "of our warm plan"), lines),
    ]


def _terraform(part: Part | None) -> list[str]:
    if part is None:
        return ["Terraform wasn't measured: it isn't on the machine, or this part didn't run.\n\n"]
    lines = [
        ("`terraform plan -out`", seconds(part.value("terraform")), _memory(part, "terraform")),
        ("ours, cold", seconds(part.value("cold")), _memory(part, "cold")),
        ("ours, warm", seconds(part.value("warm")), _memory(part, "warm")),
    ]
    ratio = times(part.ratio("terraform", "cold"))
    return [
        f"**Terraform {part.machine['Terraform']}**: {part.facts['objects']:,} built-in `terraform_data` resources of "
        f"two fields in one file, {part.facts['differing']:,} of which differ from its state: {ratio} our cold plan of "
        "as many accounts.\n\n",
        table(("", "time", "peak"), lines),
    ]


def _beside(parts: Parts) -> str:
    lines = ["## Start, and what a call costs\n\n"]
    start = parts.get("startup")
    if start is not None:
        lines.append(
            f"`python -c pass` {seconds(start.value('bare'))}, `reconciler --help` {seconds(start.value('help'))} "
            f"({len(start.runs['bare'])} of each, in turns).\n\n"
        )
    over = parts.get("overhead")
    if over is not None:
        lines.append(
            f"The applier adds {over.facts['above the raw call, ms']:.2f} ms to a raw call of "
            f"{over.facts['raw ms a call']:.2f} ms, of which {over.facts['of it two durable commits, ms']:.2f} ms are "
            f"two durable commits ({over.facts['calls']} calls, {over.facts['rounds']} rounds; "
            "see [reliability](reliability.md)).\n\n"
        )
    return "".join(lines) if len(lines) > 1 else ""


#: What parts say each for itself.
_OWN = ("date", "commit", "octoDNS", "its PyYAML", "Terraform")


def _machine(parts: Parts) -> str:
    if not parts:
        return ""
    lines = ["\n## The machine\n\n"]
    first = next(iter(parts.values()))
    shared = {key: value for key, value in first.machine.items() if key not in _OWN}
    lines.append(", ".join(f"{key} {value}" for key, value in shared.items()) + ".\n\n")
    busy = [name for name, part in parts.items() if (got := part.got()) is not None and got < 0.9]
    if busy:
        told = "**The machine was busy with something else, or waited for its disk,** during"
        lines.append(f"{told} {', '.join(busy)}: measure these again.\n\n")
    head = ("part", "measured on", "at commit", "load", "its yardstick got", "two of it at once did")
    lines.append(table(head, _runs(parts), 3))
    lines.append('Again: `make bench SIZES="10k 100k 1M"`; in pieces: `make bench PARTS="startup octodns"`.\n')
    return "".join(lines)


def _runs(parts: Parts) -> Iterator[tuple[str, ...]]:
    """When each part ran, how loaded the machine was, and what one and two cores gave its yardstick."""
    for name, part in parts.items():
        load = f"{min(part.load):.1f} to {max(part.load):.1f}" if part.load else "–"
        got = part.got()
        one = "–" if got is None else f"{got:.0%} of a core"
        cores = part.cores()
        yield name, part.machine["date"], part.machine["commit"], load, one, "–" if cores is None else f"{cores:.2f} ×"
