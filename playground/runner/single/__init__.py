"""One run: prepare, descend, measure, judge, diagnose."""
