"""How every onnxruntime session here is set up. onnxruntime is imported late: the rooms do it, when they must."""

from __future__ import annotations

from typing import Any

__all__ = ["set_up"]

NOWHERE = "/nonexistent"


def set_up(options: Any, threads: int) -> None:
    """Set the fields of an ``onnxruntime.SessionOptions`` that all sessions share.

    Args:
        options: changed in place.
        threads: of one operator; 0 leaves the number to onnxruntime.
    """
    import onnxruntime

    # For a program that imported it before this package, and for Windows, where the variable says nothing.
    onnxruntime.disable_telemetry_events()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # A spinning thread would take the core that decoding and encoding need.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # What goes wrong is raised, and told by us.
    options.log_severity_level = 4
    # Models of ours keep their weights inside. Whatever else a stranger's file names is looked for where nothing is.
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", NOWHERE)
