"""`planner completion`: the script that lets a shell complete."""

from __future__ import annotations

import click


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print the script that lets your shell complete commands, options, groups, nodes and transactions.

    Groups and nodes come from the file that the command would read (-f, PLANNER_FILE, .env), transactions
    from a store in SQLite. Nothing is sent, nothing is made.

    \b
    Examples:
      planner completion bash > ~/.local/share/bash-completion/completions/planner
      echo 'eval "$(planner completion bash)"' >> ~/.bashrc
      planner completion zsh > ~/.zfunc/_planner          # with fpath+=~/.zfunc before compinit
      planner completion fish > ~/.config/fish/completions/planner.fish
    """
    from planner.cli.shells import script

    click.echo(script(shell, ctx.find_root().command), nl=False)
