"""The names of what the stages make: folders in the workspace. Knows nothing about how they are made."""

BASE, DATASET, ADAPTER, PREFERRED = "base", "dataset", "adapter", "preferred"
BASE_BUNDLE, BUNDLE, REPORT = "base-bundle", "bundle", "report"
