"""Keep the groups of a whole cluster equal to a YAML file, as one transaction.

::

    the core, without I/O, clock or randomness
        model.py        the words as types: Node, Group, Cell, Step, Plan, the states and their legal moves
        access.py       credentials and TLS of a node: where they are found, never what they are
        scope.py        patterns of groups and nodes: the part of a cluster that a plan is about
        grid.py         a million cells in little memory: how they were seen, and which are managed
        reads.py        which cells a plan reads by themselves, and which the nodes' lists show well enough
        diff.py         what differs between the file, the store's memory and the nodes
        guards.py       what may stand against a plan: limits, protection, loss
        plan.py         the differences as an ordered plan;  undo.py: the reverse of a transaction, as a plan
        codec.py        plan files: versioned JSON with a digest;  signing.py: their signatures
        jsontext.py     JSON in pieces, and from outside;  typed.py: what came from outside against our types
        verdict.py      what the answers of an unreliable node mean;  hints.py: which key of cluster.api helps
        ports.py        what the engine asks of the world: Nodes, Store, Clock, Control, Reporter
        events.py       what a run tells its reporter;  results.py: how a use case ends well
        errors.py       how a run ends badly, with its exit code;  counts.py: what became of a plan's steps
        words.py        counts, lists and suggestions in sentences;  times.py: stored times

    transaction/        the engine: a single-threaded state machine over the ports
    app/                the use cases
    desired/            groups.yaml -> what is desired;  settings/: flags, environment, .env
    clock.py            real time;  control.py: signals, and the permit of every request
    signals.py          what ends a run before it may have changed anything
    disk.py             files: whole or not at all, and not where a stranger led the path
    references.py       where secrets are: env:NAME, file:/path
    inputs.py           the files that a user names, within limits

    nodes/              adapters: HTTP,
    store/              SQLite and PostgreSQL,
    views/              the screen, JSON, Markdown and HTML,
    telemetry/          what machines are told of a run: a line, metrics, a webhook
    simulator/          and a cluster that fails on purpose
    cli/                the commands;  schemas/: the JSON Schemas that they print
"""

__version__ = "0.1.0"
