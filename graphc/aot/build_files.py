"""What build systems read: CMake and pkg-config.

Owns `cmake_text` and `pkg_config_text`. Imports the contract of libraries. Invariant: paths are
relative to the file itself, so that the folder can be moved.
"""

from __future__ import annotations

from graphc.runtime.library_manifest import LibraryManifest

_CMAKE = """\
# The library {name}, made by graphc. From another project:
#   add_subdirectory(path/to/this/folder {name})
#   target_link_libraries(program PRIVATE {name})
cmake_minimum_required(VERSION 3.13)
project({name} C)

add_library({name} INTERFACE)
target_include_directories({name} INTERFACE "${{CMAKE_CURRENT_SOURCE_DIR}}")
target_link_libraries({name} INTERFACE "${{CMAKE_CURRENT_SOURCE_DIR}}/{name}.o")
{threads}
if(CMAKE_SOURCE_DIR STREQUAL CMAKE_CURRENT_SOURCE_DIR)
  add_executable(example example.c)
  target_link_libraries(example PRIVATE {name})
endif()
"""

_CMAKE_THREADS = """\
find_package(Threads REQUIRED)
target_link_libraries({name} INTERFACE Threads::Threads)
"""

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
    threads = _CMAKE_THREADS.format(name=manifest.name) if manifest.threads > 1 else ""
    return _CMAKE.format(name=manifest.name, threads=threads)


def pkg_config_text(manifest: LibraryManifest) -> str:
    """`NAME.pc`."""
    options = " -pthread" if manifest.threads > 1 else ""
    return _PKG_CONFIG.format(name=manifest.name, version=manifest.graphc_version, options=options)
