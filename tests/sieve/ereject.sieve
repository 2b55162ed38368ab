# ours: Pigeonhole 0.5.19 of Debian 12 does not know it
# from: tim@example.com
# expect: reject No foxes.
require "ereject";
if header :contains "subject" "quick" { ereject "No foxes."; }
