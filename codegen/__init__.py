"""From a fused graph to an artifact: kernel plans, schedules, LLVM text, object bytes.

Read it third, after ir/. Imports `ir`, the artifact contract of `runtime`, and llvmlite.
Invariant: nothing here touches arrays of the user's.
"""
