# ours: the default comparator is i;ascii-casemap (RFC 5228 2.7.3); Pigeonhole takes i;octet for this test alone
# expect: fileinto a
require ["fileinto", "variables"];
set "a" "Hello";
if string "${a}" "hello" { fileinto "a"; }
