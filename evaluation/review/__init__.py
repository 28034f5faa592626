"""Review: people compare two candidates' answers side by side, blind, by keys alone."""
