"""Compiled code that can be called.

Owns `Executable`. Imports the rest of `runtime`. Invariant: calling it goes straight to native
code; the attributes here describe it and are never touched by a call.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from graphc.runtime import package
from graphc.runtime.arguments import Binder
from graphc.runtime.artifact import Argument, Artifact, Manifest
from graphc.runtime.buffers import ParameterStorage, aligned_copy
from graphc.runtime.callback import External, guarded
from graphc.runtime.control import make_builtin, make_control
from graphc.runtime.errors import ArtifactError, StorageError
from graphc.runtime.loader import LoadedCode

if TYPE_CHECKING:
    from graphc.runtime.profile import Profile


class Executable:
    """A native function of NumPy arrays, with the parameters that it reads and updates.

    Call it with the inputs in order or by name, all of exactly the declared dtype and shape;
    `out=` takes arrays of the outputs' structure to write to, and is returned. Outputs without
    axes are NumPy scalars. A call may be made from any thread; calls of one executable run one at
    a time. Executables that share a parameter's storage are not ordered among themselves: do not
    run one that updates it beside another in a second thread.

    Raises a `CallError`, before anything has been changed.
    """

    # An instance attribute, found through the slot's descriptor: `step(x)` calls the native
    # function itself, where a method defined here would put a Python frame in between.
    __slots__ = ("__call__", "__weakref__", "_lock", "artifact", "constants", "params")

    __call__: Callable[..., Any]

    def __init__(
        self,
        artifact: Artifact,
        params: Mapping[str, ParameterStorage],
        constants: Sequence[NDArray[Any]] = (),
        externals: Sequence[External] = (),
        imported: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        """Load the code and bind it to its state.

        `params` has a storage for each of the manifest's params (others are ignored) and
        `constants` an array for each of its constants; `externals` are kept for the addresses that
        are among them, and `imported` are those that the code knows by name. Raises `StorageError`
        where one does not fit and `ArtifactError` where the code is not for this machine.
        """
        manifest = artifact.manifest
        if len(externals) != len(manifest.externals):
            raise ArtifactError(
                f"{manifest.name} calls {', '.join(manifest.externals)}, which is not here",
                help="compile the program in the process that is to run it",
            )
        self.artifact = artifact
        self.params = {
            param.name: _fitting_storage(manifest, param, params) for param in manifest.params
        }
        self.constants = _fitting_constants(manifest, constants)
        state = [storage.value for storage in self.params.values()]
        binder = Binder(manifest, state, self.constants)
        control = make_control(
            manifest,
            LoadedCode(artifact, imported),
            [*state, *self.constants],
            binder.normalise,
            binder.fail,
        )
        control.owned += externals
        self._lock = control.lock
        self.__call__ = make_builtin(control, manifest.name, _documentation(manifest))
        if manifest.externals:
            can_raise = any(external.gives_status for external in externals)
            changed = manifest.updates if can_raise else ()
            updated = [self.params[name].value for name in changed]
            self.__call__ = guarded(self.__call__, manifest.name, updated)

    @property
    def manifest(self) -> Manifest:
        return self.artifact.manifest

    @property
    def name(self) -> str:
        return self.manifest.name

    @property
    def inputs(self) -> tuple[Argument, ...]:
        return self.manifest.inputs

    @property
    def outputs(self) -> tuple[Argument, ...]:
        return self.manifest.outputs

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """Copies of all params, taken between two calls of this executable."""
        with self._lock:
            return {name: storage.value.copy() for name, storage in self.params.items()}

    def profile(self, *inputs: Any, runs: int | None = None, **named: Any) -> Profile:
        """Where the time goes, kernel by kernel: of a step in the process that compiled it.

        Raises `ArtifactError`: code that was loaded has no clocks in it, and nothing to compile.
        """
        raise ArtifactError(
            f"{self.name} was loaded, and code is compiled again to be profiled",
            help="profile the step that gc.compile returned, before it is saved",
        )

    def save(self, folder: str | PathLike[str]) -> None:
        """Write the code and the present state to a folder, to be loaded with `load`.

        The folder is replaced as a whole. Raises `ArtifactError` where it holds other files.
        """
        package.save(self.artifact, self.snapshot(), self.constants, folder)

    def __repr__(self) -> str:
        inputs = ", ".join(f"{argument.name}: {argument.type}" for argument in self.inputs)
        outputs = ", ".join(f"{argument.name}: {argument.type}" for argument in self.outputs)
        return f"<{type(self).__name__} {self.name}({inputs}) -> ({outputs})>"


def _fitting_storage(
    manifest: Manifest, param: Argument, params: Mapping[str, ParameterStorage]
) -> ParameterStorage:
    storage = params.get(param.name)
    if storage is None:
        raise StorageError(
            f"{manifest.name} has a parameter {param.name!r}, got no storage for it",
            help=f"storage was given for {', '.join(params) or 'none'}",
        )
    _check_storage(manifest, "parameter", param, storage.value)
    return storage


def _fitting_constants(
    manifest: Manifest, constants: Sequence[NDArray[Any]]
) -> tuple[NDArray[Any], ...]:
    if len(constants) != len(manifest.constants):
        raise StorageError(
            f"{manifest.name} has {len(manifest.constants)} constants, got {len(constants)}"
        )
    for argument, values in zip(manifest.constants, constants, strict=True):
        _check_storage(manifest, "constant", argument, values)
    copies = tuple(aligned_copy(values) for values in constants)
    for copy in copies:
        copy.flags.writeable = False
    return copies


def _check_storage(manifest: Manifest, kind: str, argument: Argument, values: NDArray[Any]) -> None:
    if values.dtype != argument.numpy or values.shape != argument.shape:
        raise StorageError(
            f"{manifest.name} expects {kind} {argument.name!r} to be {argument.type}, got dtype "
            f"{values.dtype} and shape {np.shape(values)}"
        )


def _documentation(manifest: Manifest) -> str:
    """The function's docstring, headed by its signature in the form that `inspect` reads."""
    names = [argument.name for argument in manifest.inputs]
    readable = all(name.isidentifier() and name != "out" for name in names)
    parameters = [*names, "*", "out=None"] if readable else ["*args", "out=None", "**inputs"]
    lines = [f"{argument.name}: {argument.type}" for argument in manifest.inputs]
    results = [f"{argument.name}: {argument.type}" for argument in manifest.outputs]
    text = "\n".join(["Compiled by graphc.", "", *lines, "->", *results])
    return f"{manifest.name}({', '.join(['$self', *parameters])})\n--\n\n{text}"
