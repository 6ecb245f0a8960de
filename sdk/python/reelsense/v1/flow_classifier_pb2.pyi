from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor
DIRECTION_DOWN: Direction
DIRECTION_UNSPECIFIED: Direction
DIRECTION_UP: Direction
LABEL_NON_VIDEO: Label
LABEL_UNSPECIFIED: Label
LABEL_VIDEO: Label
WINDOW_ERROR_CANCELLED: WindowError
WINDOW_ERROR_DEADLINE: WindowError
WINDOW_ERROR_INTERNAL: WindowError
WINDOW_ERROR_INVALID: WindowError
WINDOW_ERROR_NONE: WindowError
WINDOW_ERROR_OUT_OF_ORDER: WindowError

class ClassifyRequest(_message.Message):
    __slots__ = ["flows", "model", "request_id", "windows"]
    FLOWS_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    WINDOWS_FIELD_NUMBER: _ClassVar[int]
    flows: _containers.RepeatedCompositeFieldContainer[FlowPackets]
    model: str
    request_id: int
    windows: _containers.RepeatedCompositeFieldContainer[Window]
    def __init__(self, model: _Optional[str] = ..., windows: _Optional[_Iterable[_Union[Window, _Mapping]]] = ..., flows: _Optional[_Iterable[_Union[FlowPackets, _Mapping]]] = ..., request_id: _Optional[int] = ...) -> None: ...

class ClassifyResponse(_message.Message):
    __slots__ = ["error", "error_code", "failed_request_id", "labels", "model"]
    ERROR_CODE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    FAILED_REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    error: str
    error_code: int
    failed_request_id: int
    labels: _containers.RepeatedCompositeFieldContainer[WindowLabel]
    model: str
    def __init__(self, labels: _Optional[_Iterable[_Union[WindowLabel, _Mapping]]] = ..., model: _Optional[str] = ..., error: _Optional[str] = ..., failed_request_id: _Optional[int] = ..., error_code: _Optional[int] = ...) -> None: ...

class FeedbackRequest(_message.Message):
    __slots__ = ["truths"]
    TRUTHS_FIELD_NUMBER: _ClassVar[int]
    truths: _containers.RepeatedCompositeFieldContainer[Truth]
    def __init__(self, truths: _Optional[_Iterable[_Union[Truth, _Mapping]]] = ...) -> None: ...

class FeedbackResponse(_message.Message):
    __slots__ = ["matched", "stored"]
    MATCHED_FIELD_NUMBER: _ClassVar[int]
    STORED_FIELD_NUMBER: _ClassVar[int]
    matched: int
    stored: int
    def __init__(self, stored: _Optional[int] = ..., matched: _Optional[int] = ...) -> None: ...

class FlowPackets(_message.Message):
    __slots__ = ["end", "flow", "packets", "until_ns"]
    END_FIELD_NUMBER: _ClassVar[int]
    FLOW_FIELD_NUMBER: _ClassVar[int]
    PACKETS_FIELD_NUMBER: _ClassVar[int]
    UNTIL_NS_FIELD_NUMBER: _ClassVar[int]
    end: bool
    flow: bytes
    packets: _containers.RepeatedCompositeFieldContainer[Packet]
    until_ns: int
    def __init__(self, flow: _Optional[bytes] = ..., packets: _Optional[_Iterable[_Union[Packet, _Mapping]]] = ..., until_ns: _Optional[int] = ..., end: bool = ...) -> None: ...

class Packet(_message.Message):
    __slots__ = ["direction", "size", "time_ns"]
    DIRECTION_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    TIME_NS_FIELD_NUMBER: _ClassVar[int]
    direction: Direction
    size: int
    time_ns: int
    def __init__(self, time_ns: _Optional[int] = ..., size: _Optional[int] = ..., direction: _Optional[_Union[Direction, str]] = ...) -> None: ...

class Truth(_message.Message):
    __slots__ = ["flow", "second", "truth"]
    FLOW_FIELD_NUMBER: _ClassVar[int]
    SECOND_FIELD_NUMBER: _ClassVar[int]
    TRUTH_FIELD_NUMBER: _ClassVar[int]
    flow: bytes
    second: int
    truth: Label
    def __init__(self, flow: _Optional[bytes] = ..., second: _Optional[int] = ..., truth: _Optional[_Union[Label, str]] = ...) -> None: ...

class WatchRequest(_message.Message):
    __slots__ = ["max_confidence", "model", "only"]
    MAX_CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    ONLY_FIELD_NUMBER: _ClassVar[int]
    max_confidence: float
    model: str
    only: Label
    def __init__(self, model: _Optional[str] = ..., only: _Optional[_Union[Label, str]] = ..., max_confidence: _Optional[float] = ...) -> None: ...

class WatchResponse(_message.Message):
    __slots__ = ["labels", "missed"]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    MISSED_FIELD_NUMBER: _ClassVar[int]
    labels: _containers.RepeatedCompositeFieldContainer[WatchedLabel]
    missed: int
    def __init__(self, labels: _Optional[_Iterable[_Union[WatchedLabel, _Mapping]]] = ..., missed: _Optional[int] = ...) -> None: ...

class WatchedLabel(_message.Message):
    __slots__ = ["confidence", "flow_hash", "label", "model", "second", "uncertain"]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    FLOW_HASH_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    SECOND_FIELD_NUMBER: _ClassVar[int]
    UNCERTAIN_FIELD_NUMBER: _ClassVar[int]
    confidence: float
    flow_hash: int
    label: Label
    model: str
    second: int
    uncertain: bool
    def __init__(self, flow_hash: _Optional[int] = ..., second: _Optional[int] = ..., label: _Optional[_Union[Label, str]] = ..., confidence: _Optional[float] = ..., uncertain: bool = ..., model: _Optional[str] = ...) -> None: ...

class Window(_message.Message):
    __slots__ = ["bins", "end", "features", "flow", "second"]
    BINS_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    FLOW_FIELD_NUMBER: _ClassVar[int]
    SECOND_FIELD_NUMBER: _ClassVar[int]
    bins: _containers.RepeatedScalarFieldContainer[int]
    end: bool
    features: _containers.RepeatedScalarFieldContainer[float]
    flow: bytes
    second: int
    def __init__(self, flow: _Optional[bytes] = ..., second: _Optional[int] = ..., features: _Optional[_Iterable[float]] = ..., bins: _Optional[_Iterable[int]] = ..., end: bool = ...) -> None: ...

class WindowLabel(_message.Message):
    __slots__ = ["confidence", "error", "flow", "label", "probability", "repeated_window", "request_id", "second", "uncertain"]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    FLOW_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    REPEATED_WINDOW_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    SECOND_FIELD_NUMBER: _ClassVar[int]
    UNCERTAIN_FIELD_NUMBER: _ClassVar[int]
    confidence: float
    error: WindowError
    flow: bytes
    label: Label
    probability: float
    repeated_window: bool
    request_id: int
    second: int
    uncertain: bool
    def __init__(self, flow: _Optional[bytes] = ..., second: _Optional[int] = ..., label: _Optional[_Union[Label, str]] = ..., confidence: _Optional[float] = ..., probability: _Optional[float] = ..., uncertain: bool = ..., repeated_window: bool = ..., error: _Optional[_Union[WindowError, str]] = ..., request_id: _Optional[int] = ...) -> None: ...

class Label(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class Direction(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class WindowError(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []
