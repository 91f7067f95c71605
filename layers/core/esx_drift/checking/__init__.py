"""A check of one cluster: gather, believe, judge, compare, record; and a person's decision on it."""
