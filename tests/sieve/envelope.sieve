# from: Tim@Example.com
# to: ken+box@example.org
# expect: fileinto a
# expect: fileinto b
# expect: fileinto c
# expect: fileinto d
# expect: fileinto f
require ["fileinto", "envelope", "subaddress"];
if envelope "from" "tim@example.com" { fileinto "a"; }
if envelope :localpart "to" "ken+box" { fileinto "b"; }
if envelope :detail "to" "box" { fileinto "c"; }
if envelope :domain ["from", "to"] "example.org" { fileinto "d"; }
if envelope :comparator "i;octet" "from" "tim@example.com" { fileinto "e"; }
if envelope :user "to" "KEN" { fileinto "f"; }
