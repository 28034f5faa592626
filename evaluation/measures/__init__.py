"""The measures of one answer, a file for each group. They know nothing about candidates or reports."""
