"""What the figures say: goals, the tables of the documentation, and changes since an earlier run."""

from collections.abc import Iterator
from typing import Any, Final

from .stalls import Figures

_GROUPS: Final = ("memory", "recorder", "extensions", "messages", "pbxs")

_BLOCKED: Final = (
    ("extensions", "added", "500 extensions are added", "新增 500 个分机"),
    ("extensions", "changed", "500 extensions get a message each", "500 个分机各收到一条留言"),
    ("extensions", "gone", "500 extensions are removed from the PBX", "从 PBX 移除 500 个分机"),
    ("extensions", "set_up", "500 extensions are set up", "设置 500 个分机"),
    ("messages", "list", "the card gets 50,000 messages", "卡片接收 50,000 条留言"),
    ("messages", "search", "50,000 messages are searched", "搜索 50,000 条留言"),
    (
        "messages",
        "browse_pbx",
        "500 extensions in the media browser",
        "在媒体浏览器中列出 500 个分机",
    ),
    (
        "messages",
        "browse_extension",
        "100 messages in the media browser",
        "在媒体浏览器中列出 100 条留言",
    ),
)
_FAMILIES: Final = {
    "asterisk": ("Asterisk", "Asterisk"),
    "p_series": ("Yeastar P-Series", "Yeastar P 系列"),
}

type Result = dict[str, Any]


def compare_with_goals(result: Result) -> list[dict[str, Any]]:
    """Return the goals, each with what was measured, and whether it is met."""
    sizes, memory, recorder = result["sizes"], result["memory"], result["recorder"]
    extensions, messages, pbxs = result["extensions"], result["messages"], result["pbxs"]
    middle, large = sizes["100x100"], sizes["500x100"]
    per_message = [
        sizes[name]["changed_from_bytes"] / count
        for name, count in (("100x100", 10_000), ("500x100", 50_000))
    ]

    def goal(name: str, measured: float, bound: float, *, at_least: bool = False) -> dict[str, Any]:
        met = measured >= bound if at_least else measured <= bound
        return {"name": name, "measured": measured, "goal": bound, "met": met}

    return [
        goal(
            "unchanged poll, 500x100, above reading: share of orjson.loads",
            large["unchanged_from_bytes"] / large["unchanged_loads"],
            0.03,
        ),
        goal("changed poll, 500x100: seconds of CPU", large["ours_changed_cpu"], 0.008),
        *(
            goal(
                f"{kind} poll, {name}: times less CPU than rest",
                sizes[name][f"rest_{kind}_cpu"] / sizes[name][f"ours_{kind}_cpu"],
                bound,
                at_least=True,
            )
            for kind, name, bound in (
                ("unchanged", "100x100", 400),
                ("changed", "100x100", 300),
                ("changed", "10x10", 1.3),
            )
        ),
        goal(
            "longest stall, changed poll, 100x100: share of rest's",
            middle["ours_changed_stall"] / middle["rest_changed_stall"],
            0.01,
        ),
        goal("longest stall, changed poll, 500x100: seconds", large["ours_changed_stall"], 0.002),
        goal("states written by an unchanged poll", middle["ours_unchanged_written"], 0),
        goal("states written for one new message", middle["ours_changed_written"], 7),
        goal("requests per poll, 500 extensions", large["ours_requests"], 1),
        goal(
            "memory held for messages, 500x100: multiple of the reply",
            memory["held_for_messages"] / memory["bytes"],
            1.5,
        ),
        goal(
            "set-up, 100x100, CPU per entity: share of rest's per sensor",
            middle["ours_set_up_per_entity"] / middle["rest_set_up_per_entity"],
            0.5,
        ),
        goal(
            "set-up, CPU per entity: 500x100 beside 100x100",
            large["ours_set_up_per_entity"] / middle["ours_set_up_per_entity"],
            1.2,
        ),
        goal("recorder, bytes per new message", recorder["message"], 1000),
        goal("recorder, bytes per unchanged poll", recorder["unchanged"], 0),
        *(
            goal(
                f"500 extensions {name}: seconds that the event loop is busy",
                extensions[f"{name}_busy"],
                0.005,
            )
            for name in ("added", "changed", "gone", "set_up")
        ),
        *(
            goal(
                f"50,000 messages, {name}: seconds that the event loop is busy",
                messages[f"{name}_busy"],
                0.020,
            )
            for name in ("list", "search", "browse_pbx", "browse_extension")
        ),
        goal("20 PBXs: most polls in one second", pbxs["most_polls_per_second"], 2),
        goal(
            "changed poll, CPU per message: 500x100 beside 100x100"
            f" (orjson.loads alone: {large['changed_loads'] / middle['changed_loads'] / 5:.2f})",
            per_message[1] / per_message[0],
            1.2,
        ),
    ]


def show_goals(goals: list[dict[str, Any]]) -> None:
    """Print the goals, and what was measured."""
    for goal in goals:
        print(
            f"{'met' if goal['met'] else 'MISSED':8}{goal['measured']:12.4g}{goal['goal']:10g}  {goal['name']}"
        )


def show_tables(result: Result) -> None:
    """Print the rows of docs/performance.md, and of its Chinese translation."""
    for is_chinese in (False, True):
        for rows in (_polls, _blocked, _families):
            print()
            for row in rows(result, is_chinese):
                print(f"| {' | '.join(row)} |")
    extensions, pbxs = result["extensions"], result["pbxs"]
    print(
        f"\n500 extensions: setup {extensions['set_up']:.1f} s of CPU, restart {extensions['restart']:.1f} s"
        f"; import {_ms(extensions['import'])}"
        f"; unloading blocks for {_ms(extensions['unloaded_busy'])}"
        f", a garbage collection for {_ms(extensions['collection'])}"
        f"\n20 PBXs of 20 extensions with 20 messages: {pbxs['cpu_per_minute']:.2f} s of CPU per minute"
        f", {pbxs['held'] / 2**20:.0f} MB"
    )


def _polls(result: Result, is_chinese: bool) -> Iterator[tuple[str, ...]]:
    for name, figures in result["sizes"].items():
        row = [name.replace("x", " × ")]
        for kind in ("unchanged", "changed"):
            ours, rest = figures[f"ours_{kind}_cpu"], figures.get(f"rest_{kind}_cpu")
            row.append(_ms(ours))
            if rest:
                row += [_ms(rest), f"{rest / ours:.{0 if rest > 3 * ours else 1}f}"]
            else:
                row += ["未测" if is_chinese else "not measured", "–"]
        yield tuple(row)


def _blocked(result: Result, is_chinese: bool) -> Iterator[tuple[str, ...]]:
    for group, name, english, chinese in _BLOCKED:
        figures = result[group]
        busy, stall = figures[f"{name}_busy"], figures[f"{name}_stall"]
        yield chinese if is_chinese else english, _ms(busy), _ms(stall)


def _families(result: Result, is_chinese: bool) -> Iterator[tuple[str, ...]]:
    for name, figures in result["families"].items():
        row = [_FAMILIES[name][is_chinese]]
        for kind in ("unchanged", "changed"):
            row += [_ms(figures[f"{kind}_cpu"]), f"{figures[f'{kind}_requests']:.0f}"]
        row += [f"{figures['changed_written']:.0f}", _ms(figures["changed_busy"])]
        row += [_ms(figures["push"]), _ms(figures["changed_event"])]
        yield tuple(row)


def _ms(seconds: float) -> str:
    milliseconds = seconds * 1000
    return f"{milliseconds:.{0 if milliseconds >= 10 else 1}f} ms"


def show_changes(before: Result, after: Result) -> None:
    """Print every figure of an earlier run that has changed, and what it was multiplied by."""
    print(f"\nsince {before['date']}:")
    now = _flat(after)
    for name, was in sorted(_flat(before).items()):
        figure = now.get(name)
        if figure is not None and was and figure != was:
            print(f"{was:12.4g}{figure:12.4g}{figure / was:8.2f} x  {name}")


def _flat(result: Result) -> Figures:
    """Return all figures under one name each."""
    groups = {name: result[name] for name in _GROUPS if name in result}
    groups |= result["sizes"] | result.get("families", {})
    return {
        f"{group} {name}": figure
        for group, figures in groups.items()
        for name, figure in figures.items()
    }
