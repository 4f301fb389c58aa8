"""How a corpus is split: definitions, assignment of roles, the proof that roles stay apart."""
