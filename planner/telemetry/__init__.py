"""What a run tells the machines that watch it: a line, metrics, a webhook. Nothing here can fail a run.

::

    summary.py       how one run went, however it ended; and as one line of JSON (pure)
    record.py        collects that while the run is at work
    notification.py  as a notification, where there is something to tell (pure)
    metrics.py       as Prometheus metrics: a textfile, or pushed to a Pushgateway
    posting.py       HTTP, for the notification and the Pushgateway
    outlets.py       where it goes, all within a bounded time

Only `metrics.py` needs prometheus-client (the extra `metrics`), and only `posting.py` speaks HTTP.
Nothing of this package is imported by a run that nobody watches.
"""
