"""The comparison as a picture for a slide."""

from __future__ import annotations

from pathlib import Path

from xfs4iot.comparison.measuring import CP_SAT, OURS, PREPARED, RUST, Row

MARKS = {
    OURS: ("#0b6e4f", "o", 60),
    PREPARED: ("#3fa67a", "h", 44),
    RUST: ("#7bc8a4", "D", 34),
    "greedy": ("#b0b0b0", "v", 34),
    "dynamic programming": ("#5b8def", "s", 34),
    CP_SAT: ("#e07a1f", "^", 46),
    "HiGHS": ("#8e5bb5", "P", 42),
    "recursion": ("#c0392b", "X", 46),
}


def draw(rows: list[Row], file: Path, headline: str) -> None:
    """Write the picture; its kind follows from the name of the file."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(12.8, 7.8), dpi=100)
    places = range(len(rows), 0, -1)
    for place, row in zip(places, rows, strict=True):
        axes.axhline(place, color="#ececec", zorder=0)
        if "time-out" in row.remarks.get("recursion", ""):
            # On a ground of its own, so that the line of the case does not strike it through.
            ground = {"facecolor": "white", "edgecolor": "none", "pad": 2.0}
            axes.text(25, place, "recursion: time-out", va="center", fontsize=7, color="#c0392b", bbox=ground)
    for name, (color, mark, size) in MARKS.items():
        points = [
            (row.seconds[name], place) for place, row in zip(places, rows, strict=True) if name in row.seconds
        ]
        if points:
            label = f"{name} (may be wrong)" if name == "greedy" else name
            seconds, heights = zip(*points, strict=True)
            axes.scatter(seconds, heights, c=color, marker=mark, s=size, label=label, zorder=3)
    axes.set_xscale("log")
    axes.set_xlim(2e-8, 300)
    ticks = {
        1e-7: "100 ns",
        1e-6: "1 µs",
        1e-5: "10 µs",
        1e-4: "100 µs",
        1e-3: "1 ms",
        1e-2: "10 ms",
        0.1: "0.1 s",
        1: "1 s",
        10: "10 s",
    }
    axes.set_xticks(list(ticks), list(ticks.values()))
    axes.set_yticks(list(places), [row.case for row in rows], fontsize=9)
    axes.set_xlabel("time for one denomination (logarithmic)")
    axes.set_title(headline, loc="left", fontsize=13, fontweight="bold")
    axes.legend(loc="lower center", bbox_to_anchor=(0.4, -0.2), ncols=len(MARKS), frameon=False, fontsize=9)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.tick_params(axis="y", length=0)
    figure.tight_layout()
    figure.savefig(file)
    pyplot.close(figure)
