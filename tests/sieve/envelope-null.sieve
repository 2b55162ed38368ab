# from:
# ours: sieve-test takes no null sender
# expect: fileinto a
# expect: fileinto b
# expect: fileinto c
require ["fileinto", "envelope"];
if envelope "from" "" { fileinto "a"; }
if envelope :localpart "from" "" { fileinto "b"; }
if envelope :domain "from" "" { fileinto "c"; }
if envelope :matches "from" "*@*" { fileinto "d"; }
