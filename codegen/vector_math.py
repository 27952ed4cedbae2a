"""placeholder so that imports work until the real file lands (owner: vector math helper)"""
