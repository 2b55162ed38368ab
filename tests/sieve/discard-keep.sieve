# expect: keep
discard; keep;
