"""Why a run is where it is: the one list of reasons and of exit codes."""

from enum import IntEnum, StrEnum


class ExitCode(IntEnum):
    """How the worker ends; the Job's podFailurePolicy and the command line share these classes."""

    OK = 0
    GATE_FAILED = 10
    INVALID_SPEC = 20
    BAD_INPUT = 30
    TRANSIENT = 40
    INTERNAL = 50


class Reason(StrEnum):
    """A CamelCase reason, as it stands in conditions, Events, outcomes and lines of the CLI."""

    # what was asked for
    VALID = "Valid"
    INVALID_SPEC = "InvalidSpec"
    PROFILE_NOT_FOUND = "ProfileNotFound"
    PROFILE_DEPRECATED = "ProfileDeprecated"
    RUNTIME_UNAVAILABLE = "RuntimeUnavailable"
    WORKSPACE_TOO_SMALL = "WorkspaceTooSmall"

    # on the way to a node
    PENDING = "Pending"
    WAITING_FOR_QUOTA = "WaitingForQuota"
    WAITING_FOR_ADMISSION_CHECKS = "WaitingForAdmissionChecks"
    QUEUE_UNAVAILABLE = "QueueUnavailable"
    PREEMPTED = "Preempted"
    EVICTED = "Evicted"
    DEACTIVATED = "Deactivated"
    UNSCHEDULABLE = "Unschedulable"
    IMAGE_PULL_BACK_OFF = "ImagePullBackOff"
    CREATE_CONTAINER_CONFIG_ERROR = "CreateContainerConfigError"
    ADMISSION_DENIED = "AdmissionDenied"
    NAME_CONFLICT = "NameConflict"
    STARTED = "Started"

    # under way
    IN_PROGRESS = "InProgress"
    RETRYING = "Retrying"
    SUSPENDED = "Suspended"
    NOT_SUSPENDED = "NotSuspended"
    RESUMED = "Resumed"

    # gates
    NOT_EVALUATED = "NotEvaluated"
    NO_GATES = "NoGates"
    ALL_GATES_PASSED = "AllGatesPassed"
    ROLLED_BACK = "RolledBack"
    ACCURACY_BELOW_THRESHOLD = "AccuracyBelowThreshold"
    SIZE_ABOVE_THRESHOLD = "SizeAboveThreshold"
    LATENCY_ABOVE_THRESHOLD = "LatencyAboveThreshold"
    INSUFFICIENT_SAMPLES = "InsufficientSamples"
    MACHINE_BUSY = "MachineBusy"

    # ends
    SUCCEEDED = "Succeeded"
    GATE_FAILED = "GateFailed"
    CANCELLED = "Cancelled"
    SUPERSEDED = "Superseded"
    STEP_FAILED = "StepFailed"
    TARGET_FAILED = "TargetFailed"
    OUT_OF_MEMORY = "OutOfMemory"
    DEADLINE_EXCEEDED = "DeadlineExceeded"
    PENDING_DEADLINE_EXCEEDED = "PendingDeadlineExceeded"
    BACKOFF_LIMIT_EXCEEDED = "BackoffLimitExceeded"
    JOB_FAILED = "JobFailed"
    JOB_DELETED = "JobDeleted"

    # deletion
    CLEANED_UP = "CleanedUp"
    CLEAN_UP_FAILED = "CleanUpFailed"

    # inputs
    OBJECT_NOT_FOUND = "ObjectNotFound"
    ACCESS_DENIED = "AccessDenied"
    EMPTY_PREFIX = "EmptyPrefix"
    UNSAFE_OBJECT_NAME = "UnsafeObjectName"
    OBJECT_TOO_LARGE = "ObjectTooLarge"
    DIGEST_MISMATCH = "DigestMismatch"
    INVALID_MODEL = "InvalidModel"
    UNSAFE_MODEL = "UnsafeModel"
    UNKNOWN_ARCHITECTURE = "UnknownArchitecture"
    INVALID_DATASET = "InvalidDataset"
    SHAPE_MISMATCH = "ShapeMismatch"
    UNSUPPORTED_MODEL = "UnsupportedModel"
    CONVERSION_MISMATCH = "ConversionMismatch"

    # the world
    STORAGE_UNAVAILABLE = "StorageUnavailable"
    STORAGE_REFUSED = "StorageRefused"
    CONFIG_MAP_NOT_FOUND = "ConfigMapNotFound"
    UNTRUSTED_ENDPOINT = "UntrustedEndpoint"
    OBJECT_CHANGED = "ObjectChanged"
    DISK_FULL = "DiskFull"
    INTERRUPTED = "Interrupted"
    INTERNAL_ERROR = "InternalError"
