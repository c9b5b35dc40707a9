"""Write docs/reference/ from the program itself: its commands, settings, errors and JSON Schema.

`make docs` runs it; tests/deploy/test_docs.py holds that what is committed is what it writes.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from planner import errors
from planner.cli.main import COMMANDS, cli
from planner.cli.options import SettingOption
from planner.settings.table import SETTINGS

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "reference"
SCHEMAS = ROOT / "planner" / "schemas"
COMMANDS_HEAD = """\
# Commands

`planner COMMAND --help` shows the same. A flag that is a *setting* has a twin in the environment and may
stand in `.env`; [Settings](settings.md) has their defaults.

"""
EXIT_HEAD = """\
## Exit codes

The `code` is the one of the error in `--format json`. [Operations](../operations.md#exit-codes) says what to
do at each.

"""
SETTINGS_HEAD = """\
# Settings

A flag goes before the environment, the environment before `.env`, and that before the default. An empty value
counts as not set. Durations are written `500ms`, `5s`, `2m`, `1h`, `7d`. What disarms a guard (`--yes`,
`--allow-…`, `--skip`, `--accept`) has no twin: a forgotten line must not disarm it.

"""
FILE_HEAD = """\
# groups.yaml

{description}

`planner schema` prints the JSON Schema that this page is made from, for the completion of your editor.
`planner validate` checks a file against it, and the sense of it, offline. An unknown or a doubled key is an
error, never ignored.

"""
NOTE = "<!-- Written by docs/generate.py (make docs): a change here is lost. -->\n"


def cell(text: str) -> str:
    """Text for a cell of a table; what stands between backticks stays as it is."""
    parts = re.split(r"(`[^`]*`)", " ".join(text.split()))
    escaped = (part if part.startswith("`") else re.sub(r"([*_<])", r"\\\1", part) for part in parts)
    return "".join(escaped).replace("|", "\\|")


def table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines) + "\n"


# Commands.


def commands() -> str:
    """The page of every command."""
    context = click.Context(cli, info_name="planner", **cli.context_settings)
    parts = [
        NOTE,
        COMMANDS_HEAD,
        table(
            ["command", "what it does"],
            [[f"[`planner {name}`](#planner-{name})", cell(text)] for name, text in COMMANDS.items()],
        ),
    ]
    for name in COMMANDS:
        command = cli.get_command(context, name)
        assert command is not None  # noqa: S101  (it is in the table)  # nosec B101
        parts.extend(_command(click.Context(command, info_name=name, parent=context), f"planner {name}", 2))
    parts.append(EXIT_HEAD + exit_codes())
    return "".join(parts)


def _command(context: click.Context, name: str, level: int) -> Iterator[str]:
    command = context.command
    yield f"{'#' * level} {name}\n\n"
    for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
        if not paragraph.startswith("\b"):
            yield cell(paragraph) + "\n\n"
            continue
        title, *lines = paragraph.removeprefix("\b\n").splitlines()
        yield f"{title}\n\n```console\n" + "".join(map(_typed, lines)) + "```\n\n"
    usage = " ".join(command.collect_usage_pieces(context))
    yield f"```text\n{name} {usage}\n```\n\n"
    options = [p for p in command.get_params(context) if isinstance(p, click.Option) and not p.hidden]
    own = [option for option in options if not isinstance(option, SettingOption)]
    yield table(["option", "meaning"], [[_option(option), _meaning(option)] for option in own])
    settings = [option for option in options if isinstance(option, SettingOption)]
    if settings:
        flags = [f"[`{option.opts[-1]}`](settings.md#{option.opts[-1][2:]})" for option in settings]
        yield f"Settings: {', '.join(flags)}.\n\n"
    codes = getattr(command, "_codes", ())
    if codes:
        yield f"[Exit codes](#exit-codes): {', '.join(map(str, codes))}.\n\n"
    if isinstance(command, click.Group):
        for child in command.list_commands(context):
            found = command.get_command(context, child)
            assert found is not None  # noqa: S101  (it was listed)  # nosec B101
            inner = click.Context(found, info_name=child, parent=context)
            yield from _command(inner, f"{name} {child}", level + 1)


def _typed(line: str) -> str:
    """A line of an example: a command behind its prompt, or a remark."""
    return f"{line.strip()}\n" if line.strip().startswith("#") else f"$ {line.strip()}\n"


def _option(option: click.Option) -> str:
    names = ", ".join(f"`{name}`" for name in [*option.opts, *option.secondary_opts])
    if option.is_flag or option.count:
        return names
    if isinstance(option.type, click.Choice):
        return f"{names} " + " \\| ".join(f"`{choice}`" for choice in option.type.choices)
    return f"{names} `{option.metavar or option.type.name.upper()}`"


def _meaning(option: click.Option) -> str:
    default = f" Default: `{option.default}`." if option.show_default and option.default is not None else ""
    return cell(option.help or "") + default


def exit_codes() -> str:
    """The table of every end, from the tree of errors."""
    rows = [["0", "", "Done, or nothing to do."]]
    classes = [
        one for one in vars(errors).values() if inspect.isclass(one) and one.__module__ == errors.__name__
    ]
    ends = [one for one in classes if issubclass(one, errors.PlannerError)]
    for one in sorted(ends, key=lambda end: end.exit_code):
        text = (inspect.getdoc(one) or "").split("\n\n")[0].replace("``", "`")
        if one is errors.PlannerError:
            text = "Any other error; nothing was changed by this run."
        rows.append([str(one.exit_code), f"`{one.code}`", cell(text)])
    return table(["exit", "code", "meaning"], rows)


# Settings.


def settings() -> str:
    """The page of every setting."""
    parts = [NOTE, SETTINGS_HEAD]
    for setting in SETTINGS:
        parts.append(f"## {setting.name.replace('_', '-')}\n\n{cell(setting.help)}\n\n")
        rows = [
            ["flag", f"`{setting.flag}`" if setting.flag else "none"],
            ["environment", f"`{setting.env}`"],
            ["default", cell(f"`{setting.default}`" if setting.default else setting.shown)],
        ]
        if setting.choices:
            rows.append(["values", ", ".join(f"`{choice}`" for choice in setting.choices)])
        if setting.secret:
            rows.append(["secret", "no message repeats its value"])
        parts.append(table(["", ""], rows))
    return "".join(parts)


# The file.


def file() -> str:
    """The page of groups.yaml."""
    schema = json.loads((SCHEMAS / "groups.schema.json").read_text("utf-8"))
    example = (SCHEMAS / "groups.example.yaml").read_text("utf-8")
    parts = [
        NOTE,
        FILE_HEAD.format(description=schema["description"]),
        _keys("The file", schema, schema, 2),
    ]
    for name, part in schema["$defs"].items():
        if "properties" in part:
            parts.append(_keys(name, part, schema, 2))
    parts.append(f"## A whole example\n\n```yaml\n{example}```\n")
    return "".join(parts)


def _keys(name: str, part: dict[str, Any], schema: dict[str, Any], level: int) -> str:
    text = f"{'#' * level} {name}\n\n"
    if level > 2 or name != "The file":  # noqa: PLR2004  (its description opens the page)
        text += cell(part.get("description", part.get("title", ""))) + "\n\n"
    rows, inner = [], ""
    for key, value in part["properties"].items():
        target = value.get("$ref", "").rpartition("/")[2]
        known = schema["$defs"].get(target, {}) | value
        rows.append([f"`{key}`", _type(known, target, schema), _fact(known, key in part.get("required", ()))])
        if "properties" in value:
            inner += _keys(f"{name}.{key}", value, schema, level + 1)
    return text + table(["key", "value", "meaning"], rows) + inner


def _type(value: dict[str, Any], target: str, schema: dict[str, Any]) -> str:
    if "enum" in value:
        return " \\| ".join(f"`{json.dumps(choice)}`" for choice in value["enum"])
    if "properties" in value and target:
        return f"[{target}](#{target})"
    items = value.get("items", {}).get("$ref", "").rpartition("/")[2]
    if "properties" in schema["$defs"].get(items, {}):
        return f"list of [{items}s](#{items})"
    kinds = value.get("type", "string")
    names = {"array": "list", "object": "mapping", "string": "text", "boolean": "true \\| false"}
    return " or ".join(names.get(kind, kind) for kind in ([kinds] if isinstance(kinds, str) else kinds))


def _fact(value: dict[str, Any], required: bool) -> str:
    title, text = value.get("title", ""), value.get("description", "")
    said = " ".join(f"{part.rstrip('.')}." for part in (title, text) if part)
    ends = ["**Required.**"] if required else []
    if "default" in value:
        ends.append(f"Default: `{json.dumps(value['default'], ensure_ascii=False)}`.")
    if "minimum" in value:
        most = f", at most {value['maximum']}" if "maximum" in value else ""
        ends.append(f"At least {value['minimum']}{most}.")
    if value.get("examples"):
        shown = ", ".join(f"`{json.dumps(one, ensure_ascii=False)}`" for one in value["examples"])
        ends.append(f"Example: {shown}.")
    return " ".join([cell(said), *ends]).strip()


PAGES = {"commands.md": commands, "settings.md": settings, "file.md": file}


def main() -> None:
    """Write every page that is not as it should be."""
    FOLDER.mkdir(exist_ok=True)
    for name, page in PAGES.items():
        path, text = FOLDER / name, page().rstrip() + "\n"
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, encoding="utf-8")
            sys.stdout.write(f"Wrote {path.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
