"""What build systems read: CMake and pkg-config.

Owns `cmake_text` and `pkg_config_text`. Imports the contract of libraries. Invariant: paths are
relative to the file itself, so that the folder can be moved.
"""

from __future__ import annotations

from graphc.runtime.library_manifest import LibraryManifest

_CMAKE = """\
# The library {name}, made by graphc. From another project:
#   add_subdirectory(path/to/this/folder {name})
#   target_link_libraries(program PRIVATE {library})
cmake_minimum_required(VERSION 3.13)
project({name} C)

add_library({library} INTERFACE)
target_include_directories({library} INTERFACE "${{CMAKE_CURRENT_SOURCE_DIR}}")
target_link_libraries({library} INTERFACE "${{CMAKE_CURRENT_SOURCE_DIR}}/{name}.o")
{threads}
if(CMAKE_SOURCE_DIR STREQUAL CMAKE_CURRENT_SOURCE_DIR)
  add_executable(example example.c)
  target_link_libraries(example PRIVATE {library})
endif()
"""

_CMAKE_THREADS = """\
find_package(Threads REQUIRED)
target_link_libraries({library} INTERFACE Threads::Threads)
"""

_CMAKE_TARGETS = {"example", "all", "clean", "help", "install", "package", "test"}
"""Targets that are there without us, and the program that we add."""

_PKG_CONFIG = """\
prefix=${{pcfiledir}}

Name: {name}
Description: A model that learns, compiled by graphc
Version: {version}
Cflags: -I${{prefix}}
Libs: ${{prefix}}/{name}.o{options}
"""


def cmake_text(manifest: LibraryManifest) -> str:
    """`CMakeLists.txt`."""
    name = manifest.name
    library = f"{name}_library" if name in _CMAKE_TARGETS else name
    threads = _CMAKE_THREADS.format(library=library) if manifest.threads > 1 else ""
    return _CMAKE.format(name=name, library=library, threads=threads)


def pkg_config_text(manifest: LibraryManifest) -> str:
    """`NAME.pc`."""
    options = " -pthread" if manifest.threads > 1 else ""
    return _PKG_CONFIG.format(name=manifest.name, version=manifest.graphc_version, options=options)
