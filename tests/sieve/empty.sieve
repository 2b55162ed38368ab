# expect: keep

