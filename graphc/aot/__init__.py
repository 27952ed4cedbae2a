"""Libraries for programs without Python: what `gc.export` and `graphc build` write.

`export` puts the folder together; `header`, `example` and `build_files` write its texts, `linking`
runs the linker, `report` counts bytes.
"""
