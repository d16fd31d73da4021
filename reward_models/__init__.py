"""ORM and PRM: how good is this trace or step? Serving and training come here; nothing is built yet."""
