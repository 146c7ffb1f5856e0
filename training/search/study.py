"""The study of a search, in a SQLite file that Optuna's other tools read too."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import URL
from sqlalchemy.exc import SQLAlchemyError

from fer_live.errors import FerLiveError, ModelError, SinkError, first_line
from fer_live.training.identity import difference

__all__ = [
    "FOLDER",
    "REASON",
    "TWIN",
    "best_trial",
    "concluded_trials",
    "exclusive",
    "finished_trials",
    "open_study",
    "repeat_unfinished",
    "storage_errors",
]

FOLDER, REASON, TWIN = "folder", "failed because", "same as"
"""Attributes of a trial: its run folder, why it failed, the trial whose result it takes over."""

_STUDY, _DATABASE, _IDENTITY = "fer-search", "study.db", "search"


@contextmanager
def open_study(folder: Path, identity: dict[str, Any]) -> Iterator[optuna.Study]:
    """The folder's study, made if need be; ModelError where it is of another search."""
    path = folder / _DATABASE
    url = URL.create("sqlite", database=str(path)).render_as_string()
    try:
        storage = RDBStorage(url)
        study = optuna.create_study(storage=storage, study_name=_STUDY, direction="maximize", load_if_exists=True)
    except (SQLAlchemyError, optuna.exceptions.OptunaError, RuntimeError) as error:
        raise ModelError(f"{path}: not a study of fer-search ({first_line(error)}); give another --out") from error
    try:
        saved = study.user_attrs.get(_IDENTITY)
        if saved is None and not study.get_trials(deepcopy=False):
            study.set_user_attr(_IDENTITY, identity)
            saved = identity
        if different := difference(saved or {}, identity):
            raise ModelError(f"{folder} holds a search with {different}; give another --out")
        yield study
    finally:
        storage.remove_session()
        storage.engine.dispose()


def repeat_unfinished(study: optuna.Study) -> None:
    """Trials that were under way when the process ended become failed ones, and their values come next."""
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
        if trial.params:
            kept = {key: value for key, value in trial.user_attrs.items() if key == FOLDER}
            study.enqueue_trial(trial.params, user_attrs=kept)


def concluded_trials(study: optuna.Study) -> list[FrozenTrial]:
    """Trials with a result or a reason why there is none: not those that were only interrupted."""
    return [
        trial
        for trial in study.get_trials(deepcopy=False)
        if trial.state in (TrialState.COMPLETE, TrialState.PRUNED) or _failed(trial)
    ]


def _failed(trial: FrozenTrial) -> bool:
    return trial.state == TrialState.FAIL and REASON in trial.user_attrs


def finished_trials(study: optuna.Study) -> list[FrozenTrial]:
    """Trials with a result that were not pruned."""
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))


def best_trial(study: optuna.Study) -> FrozenTrial | None:
    """The best finished trial, of equal ones the first."""
    return max(finished_trials(study), key=lambda trial: (trial.value, -trial.number), default=None)


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Holds a lock that ends with the process, on every system: SQLite's, on a database of its own."""
    lock = sqlite3.connect(folder / "lock.db", timeout=0, isolation_level=None)
    try:
        lock.execute("BEGIN EXCLUSIVE")
    except sqlite3.Error as error:
        lock.close()
        raise SinkError(f"{folder}: another fer-search is running in it ({error}); give another --out") from error
    try:
        yield
    finally:
        lock.close()


@contextmanager
def storage_errors(folder: Path) -> Iterator[None]:
    """What the study's database says becomes an error of ours."""
    try:
        yield
    except FerLiveError:
        raise
    except (SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
        cause = first_line(error.__cause__ or error)
        raise SinkError(f"{folder / _DATABASE}: can't be read or written ({cause})") from error
