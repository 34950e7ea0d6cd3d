"""Every metric of the operator, declared once: the page, the rules and the dashboard follow.

Labels are bounded: no name of a resource, a step, a target or an image is one. Counters begin at
zero in each process, and an end that was told before is not counted again.
"""

from lathe_operator.metrics.declaration import (
    BYTES,
    RATIOS,
    REQUEST_SECONDS,
    WORK_SECONDS,
    Declarations,
)

DECLARED = Declarations()

# what users wait for, from what the watches have shown

RESOURCES = DECLARED.collected(
    "lathe_resources",
    "Resources by phase.",
    {"namespace": "where they are", "phase": "`Pending` where there is no status yet"},
)
OLDEST_WAIT = DECLARED.collected(
    "lathe_oldest_wait_seconds",
    "For how long the resource has waited that has waited longest for a worker.",
    {"phase": "`Pending` or `Queued`"},
)

# what came of it, counted when it is told in a status

RUNS = DECLARED.counter(
    "lathe_runs_total",
    "Runs that ended, and resources that cannot be run, as InvalidSpec.",
    {"result": "`Succeeded`, `Failed` or `Cancelled`", "reason": "reason of the condition Ready"},
)
RUN_SECONDS = DECLARED.histogram(
    "lathe_run_duration_seconds",
    "Time from the start of a run's first pod to its end.",
    WORK_SECONDS,
    {"result": "`Succeeded`, `Failed` or `Cancelled`"},
)
WAIT_SECONDS = DECLARED.histogram(
    "lathe_queue_wait_seconds",
    "Time from a run's Job, or from its being let go on, to the start of its first pod.",
    WORK_SECONDS,
)
ATTEMPTS_FAILED = DECLARED.counter(
    "lathe_attempts_failed_total",
    "Attempts that failed and were followed by another.",
    {"reason": "as in `status.lastFailure`"},
)
STEP_SECONDS = DECLARED.histogram(
    "lathe_step_duration_seconds",
    "Time of one step that was not taken from the cache.",
    WORK_SECONDS,
    {"kind": "the step as users spell it, such as `prune`"},
)
CACHE_REQUESTS = DECLARED.counter(
    "lathe_cache_requests_total",
    "Runs and steps that ended, by whether their result was there already.",
    {"of": "`run` or `step`", "result": "`hit` or `miss`"},
)
ARTIFACT_BYTES = DECLARED.histogram(
    "lathe_artifact_bytes", "Size of a published file; its sum is what was published.", BYTES
)
COMPRESSION_RATIO = DECLARED.histogram(
    "lathe_compression_ratio",
    "How many times smaller a target is than its input model, where it was measured.",
    RATIOS,
)
SPEEDUP_RATIO = DECLARED.histogram(
    "lathe_speedup_ratio",
    "How many times faster a target's median call is than its input model's.",
    RATIOS,
)
GATE_FAILURES = DECLARED.counter(
    "lathe_gate_failures_total",
    "Runs whose gates did not pass.",
    {"reason": "what the first of them was about: reason of the condition GatesPassed"},
)

# the operator itself

LOOK_SECONDS = DECLARED.histogram(
    "lathe_reconcile_seconds", "Time of one look: observe, decide, act.", REQUEST_SECONDS
)
LOOK_ERRORS = DECLARED.counter(
    "lathe_reconcile_errors_total",
    "Looks that failed and are repeated.",
    {"failure": "`Faulted`, `Rejected`, or `defect` for what nobody thought of"},
)
QUEUE_DEPTH = DECLARED.gauge("lathe_queue_depth", "Resources that wait for a look now.")
WATCH_AGE = DECLARED.gauge(
    "lathe_watch_last_event_age_seconds",
    "Time since a watch last brought an object; a quiet cluster brings none.",
    {"kind": "plural name of what is watched, such as `jobs`"},
)
VIEW_CONFIRMED = DECLARED.gauge(
    "lathe_view_confirmed_timestamp_seconds",
    "When what the watches have shown was last compared with the server and found right.",
)
API_REQUESTS = DECLARED.counter(
    "lathe_api_requests_total",
    "Requests to the API server other than watches.",
    {
        "verb": "as in the audit log",
        "resource": "such as `jobs` or `modeloptimizations/status`",
        "code": "the answer's, or `none` where there was no answer",
    },
)
API_SECONDS = DECLARED.histogram(
    "lathe_api_request_duration_seconds",
    "Time from a request to the API server to its answer.",
    REQUEST_SECONDS,
    {"verb": "as in the audit log"},
)
LEADER = DECLARED.gauge("lathe_leader", "1 where the process leads, 0 where it stands by.")
BUILD = DECLARED.gauge(
    "lathe_build_info", "1, with what runs as its labels.", {"version": "of the operator"}
)
