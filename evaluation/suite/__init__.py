"""The question suite: questions, what an answer must contain, a reference answer, a check that runs its code."""
